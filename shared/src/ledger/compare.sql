-- $1 as in claim.sql, of which this must be the next statement: the claiming one cannot see a claim that another
-- transaction committed while it waited. For each event, in order: the claim that stands, and whether it is of this content.
select e.position, r.activity_id, r.payload_hash = decode(e.payload_hash, 'hex') as is_same
from jsonb_to_recordset($1::jsonb) as e (position integer, source text, event_id text, payload_hash text)
join received_events r on r.source = e.source and r.event_id = e.event_id
order by e.position

-- $1: [{position, source, event_id, payload_hash, is_activity}]. Claims each id once, in the same order as every other
-- recorder, so that two with the same events wait for each other and never in a circle. Returns the claims that are new.
with
-- The first of each id in the batch; a ledger entry gets its id here, so that the claim can name it.
wanted as (
    select distinct on (e.source, e.event_id) e.source, e.event_id, decode(e.payload_hash, 'hex') as payload_hash, e.is_activity
    from jsonb_to_recordset($1::jsonb) as e (position integer, source text, event_id text, payload_hash text, is_activity boolean)
    order by e.source, e.event_id, e.position
)
insert into received_events (source, event_id, payload_hash, activity_id)
select w.source, w.event_id, w.payload_hash,
       case when w.is_activity then nextval('capital_activities_activity_id_seq') end
from wanted w
order by w.source, w.event_id
on conflict (source, event_id) do nothing
returning source, event_id

-- $1: [{source, event_id}]. Gives back claims of this transaction whose events turned out not to be recordable.
delete from received_events r
using jsonb_to_recordset($1::jsonb) as e (source text, event_id text)
where r.source = e.source and r.event_id = e.event_id

-- $1: of each commitment, the dates on which it has snapshots. A new report takes the flow dates before it out of the series.
delete from lp_performance_snapshots held
using jsonb_to_recordset($1::jsonb) as series (lp_id bigint, commitment_id bigint, dates date[])
where held.lp_id = series.lp_id and held.commitment_id = series.commitment_id
  and held.snapshot_date <> all (series.dates)

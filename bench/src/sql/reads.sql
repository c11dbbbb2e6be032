select coalesce(sum(s.calls), 0)::float8 as calls, coalesce(sum(s.rows), 0)::float8 as rows,
       coalesce(sum(s.shared_blks_hit + s.shared_blks_read), 0)::float8 as buffers,
       coalesce(sum(s.total_exec_time), 0)::float8 as execution_ms
from monitoring.pg_stat_statements s
join pg_roles r on r.oid = s.userid
where r.rolname = 'reader'

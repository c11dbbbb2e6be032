-- As find_lps.sql, for funds.
select f.fund_id, f.name, f.vintage_year, f.currency, f.status
from funds f
where ($1::text is null or position(lower($1) in lower(f.name)) > 0)
  and ($2::jsonb is null or f.metadata @> $2)
order by f.fund_id
limit $3::bigint

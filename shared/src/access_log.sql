-- One look. When it was is the database's to say. $1: subject or null, $2: LP or null, $3: fund or null, $4: route, $5: outcome,
-- $6: request.
insert into access_log (subject, lp_id, fund_id, route, outcome, request_id)
values ($1::text, $2::bigint, $3::bigint, $4::text, $5::text, $6::text)

-- Enters the LP's scope if the subject may see the LP, until the end of the transaction. $1: subject, $2: LP, $3: for how many
-- seconds the answer may be believed at most. Null is no.
select enter_lp_scope($1::text, $2::bigint, $3::double precision) as believed_until

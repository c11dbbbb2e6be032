-- LPs that are alike at every size, so that what one activity costs can be compared: fifteen commitments each, in the first funds,
-- of twelve calls and as many NAVs. They come once a database.
insert into limited_partners (name)
select 'Alike ' || n from generate_series(1, 20) n
where not exists (select from limited_partners where name = 'Alike 1');

insert into lp_fund_commitments (lp_id, fund_id, commitment_amount_cents, commitment_date)
select l.lp_id, f.fund_id, 1000000000, current_date - 1200
from limited_partners l
cross join (select fund_id from funds order by fund_id limit 15) f
where l.name like 'Alike %' and not exists (select from lp_fund_commitments c where c.lp_id = l.lp_id);

insert into capital_activities (lp_id, fund_id, commitment_id, activity_type, amount_cents, effective_date,
                                cash_effect_cents, paid_in_effect_cents, distributed_effect_cents, unfunded_effect_cents)
select c.lp_id, c.fund_id, c.commitment_id, 'capital_call', 50000000, current_date - 90 * n, -50000000, 50000000, 0, -50000000
from limited_partners l
join lp_fund_commitments c on c.lp_id = l.lp_id
cross join generate_series(1, 12) n
where l.name like 'Alike %' and not exists (select from capital_activities a where a.commitment_id = c.commitment_id);

insert into commitment_navs (commitment_id, as_of_date, nav_cents)
select c.commitment_id, current_date - 90 * n + 45, 55000000 * (13 - n)
from limited_partners l
join lp_fund_commitments c on c.lp_id = l.lp_id
cross join generate_series(1, 12) n
where l.name like 'Alike %' and not exists (select from commitment_navs v where v.commitment_id = c.commitment_id);

insert into lp_access (subject, lp_id)
select 'lp-' || l.lp_id, l.lp_id
from limited_partners l
where l.name like 'Alike %' and not exists (select from lp_access a where a.lp_id = l.lp_id);

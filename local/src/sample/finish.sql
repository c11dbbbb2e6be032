-- What the rows alone do not say: who may see them, and where numbering goes on.

-- Each LP has a subject of its own, and one auditor may see them all. Each fund has a GP.
insert into lp_access (subject, lp_id, role, valid_from, granted_by)
select 'lp-' || lp_id, lp_id, 'lp_viewer', '2012-01-01 00:00:00+00', 'sample' from limited_partners order by lp_id;
insert into lp_access (subject, lp_id, role, valid_from, granted_by)
select 'auditor', lp_id, 'auditor', '2012-01-01 00:00:00+00', 'sample' from limited_partners order by lp_id;
insert into lp_access (subject, fund_id, role, valid_from, granted_by)
select 'gp-' || fund_id, fund_id, 'gp', '2012-01-01 00:00:00+00', 'sample' from funds order by fund_id;

-- These rows brought their numbers along.
select setval(pg_get_serial_sequence('limited_partners', 'lp_id'), (select max(lp_id) from limited_partners));
select setval(pg_get_serial_sequence('funds', 'fund_id'), (select max(fund_id) from funds));
select setval(pg_get_serial_sequence('lp_fund_commitments', 'commitment_id'), (select max(commitment_id) from lp_fund_commitments));
select setval(pg_get_serial_sequence('portfolio_companies', 'company_id'), (select max(company_id) from portfolio_companies));
select setval(pg_get_serial_sequence('fund_investments', 'investment_id'), (select max(investment_id) from fund_investments));
select setval(pg_get_serial_sequence('capital_activities', 'activity_id'), (select max(activity_id) from capital_activities));

-- Marks and debts of every row loaded. The rebuild that follows marks and owes everything again, and need not wade through
-- three rows a commitment that say less.
truncate touched_commitments, pending_performance;

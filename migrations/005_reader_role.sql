-- The HTTP functions read and never write: their role can do nothing else. It logs in without a password of its own;
-- how a login is checked is the server's business (IAM in the cloud, loopback trust on one machine).
do $$
begin
    create role reader login;
exception when duplicate_object or unique_violation then
    null;  -- Roles belong to the whole server; another database created it.
end $$;

-- Every report is planned well without knowing its values, and planning one costs more than running it: a reader's connection
-- plans each once, and again only after a refresh of the views, which invalidates the plans that read them. Writers do not:
-- their statements take a batch of any size.
alter role reader set plan_cache_mode = force_generic_plan;
-- Compiling a plan takes longer than any report runs.
alter role reader set jit = off;

grant select on limited_partners, funds, lp_fund_commitments, portfolio_companies, activity_types, capital_activities,
    commitment_navs, fund_nav_snapshots, fund_investments, fund_cash_flows, investment_valuations, lp_reports,
    lp_capital_accounts, lp_performance_snapshots, lp_pooled_performance, fund_performance,
    touched_commitments, pending_performance, view_refreshes, lp_access,
    lp_dashboard_summary, fund_lp_summary, lp_performance_latest,
    lp_dashboard_summary_definition, fund_lp_summary_definition, lp_performance_latest_definition
    to reader;

-- One index a query, named for it. Each is shown in use by a plan test; an index that no query uses does not stand here.
-- Where a query serves an LP, lp_id leads, so that a table can be split by LP without changing the query.

-- Timeline of an LP, one index range a page: all of it, one type of entry, a commitment's entries of one type. All that a
-- commitment has is as many ranges as there are types: an index without the type would save little and cost as much again.
-- Pages are newest first and read these backwards: what is recorded comes in order of date, and an index that grows at the end
-- of a range fills its pages, where one that grows at the beginning leaves them half empty.
create index capital_activities_timeline_idx on capital_activities (lp_id, effective_date, activity_id);
create index capital_activities_type_timeline_idx on capital_activities (lp_id, activity_type, effective_date, activity_id);
create index capital_activities_commitment_date_idx on capital_activities (lp_id, commitment_id, activity_type, effective_date, activity_id);
-- Search by metadata; entries without any (nearly all) take no room. The extension lets the LP lead here too, so that the search
-- does not read what other LPs have under the same key. It comes with Postgres and is trusted: the owner may create it.
create extension if not exists btree_gin;
create index capital_activities_metadata_idx on capital_activities using gin (lp_id, metadata jsonb_path_ops) where metadata <> '{}';
-- An entry is reversed once at most.
create unique index capital_activities_reverses_idx on capital_activities (reverses_activity_id) where reverses_activity_id is not null;
-- Increases and releases dated ahead, which a pro-rata share must leave out.
create index capital_activities_commitment_changes_idx on capital_activities (fund_id, effective_date) include (unfunded_effect_cents)
    where cash_effect_cents = 0;

-- The NAV that counts for a date. That of a commitment is found by its primary key.
create index fund_nav_snapshots_fund_date_idx on fund_nav_snapshots (fund_id, as_of_date, reported_at desc, snapshot_id desc) include (gross_nav_cents);

-- The funds in which an LP is active.
create index lp_commitments_active_idx on lp_fund_commitments (lp_id, fund_id) where status = 'active';
-- The LPs of a fund, when a change to the fund concerns them all; its commitments dated ahead.
create index lp_commitments_fund_idx on lp_fund_commitments (fund_id, commitment_date) include (lp_id, commitment_amount_cents);

-- The latest balances not after a date, and all of an LP's in one range, index-only, hence the included columns: the rows of one LP
-- lie apart in the table, as the days came, and looking each of them up would read a page a row.
create unique index lp_capital_accounts_latest_idx on lp_capital_accounts (lp_id, commitment_id, account_date)
    include (paid_in_cents, distributed_cents, unfunded_effect_cents, commitment_effect_cents, nav_cents, reported_nav_cents, nav_as_of_date, irr_date);
-- The latest performance not after a date, and a commitment's history, which needs the whole rows.
create unique index lp_perf_snapshots_commitment_date_idx on lp_performance_snapshots (lp_id, commitment_id, snapshot_date);
create unique index lp_pooled_performance_date_idx on lp_pooled_performance (lp_id, currency, fund_id, performance_date) nulls not distinct;
create unique index fund_performance_date_idx on fund_performance (fund_id, performance_date) include (moic, gross_irr, annualised, flags);

-- Holdings: the investments of a fund, the flows of an investment and its latest valuation.
create index fund_investments_fund_idx on fund_investments (fund_id, investment_id);
create index fund_cash_flows_investment_date_idx on fund_cash_flows (investment_id, flow_date) include (amount_cents);
create index investment_valuations_latest_idx on investment_valuations (investment_id, valuation_date desc, valuation_id desc) include (fair_value_cents);

-- Is anything of this LP newer than the views? Is its performance owed? Is the fund's?
create index touched_commitments_lp_idx on touched_commitments (lp_id, latest_date);
create index pending_performance_lp_idx on pending_performance (lp_id, from_date) include (commitment_id);
create index pending_performance_fund_idx on pending_performance (fund_id, from_date) where lp_id is null;

-- The grant of a subject for an LP; the LP's name follows from it.
create index lp_access_subject_idx on lp_access (subject, lp_id);

-- At most one request is outstanding: the index is the rule, and finds it.
create unique index view_refreshes_outstanding_idx on view_refreshes ((true)) where started_at is null;
-- For which day the views stand, and when they last came to: of the refreshes that succeeded, however many have failed since.
create index view_refreshes_done_idx on view_refreshes (as_of_date, finished_at) where as_of_date is not null;
-- Which one is under way.
create index view_refreshes_running_idx on view_refreshes (started_at) where finished_at is null;

-- Inserts alone must keep the covering indexes index-only: have the visibility map follow them closely.
alter table lp_capital_accounts set (autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_vacuum_scale_factor = 0.02);
alter table fund_performance set (autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_vacuum_scale_factor = 0.02);
alter table fund_cash_flows set (autovacuum_vacuum_insert_scale_factor = 0.02);
alter table investment_valuations set (autovacuum_vacuum_insert_scale_factor = 0.02);
-- Marks come and go; what is left of them must not make the probe for them slow. Analysed as often: a plan made while a table
-- is nearly empty reads it whole, and is kept until statistics say otherwise.
alter table touched_commitments set (
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000,
    autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 1000);
alter table pending_performance set (
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000,
    autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 1000);

-- What the funds hold, so that holdings and gross performance have something to say.
insert into portfolio_companies (company_id, name, sector, stage) values
    (1, 'Fjord Robotics', 'Industrials', 'Growth'), (2, 'Heron Health', 'Healthcare', 'Buyout');
insert into fund_investments (investment_id, fund_id, company_id, investment_date)
    select fund_id * 10 + company_id, fund_id, company_id, '2020-03-01' from funds, portfolio_companies;
insert into fund_cash_flows (investment_id, flow_date, amount_cents)
    select investment_id, '2020-03-01', -1000003 * investment_id from fund_investments;
insert into investment_valuations (investment_id, valuation_date, fair_value_cents)
    select investment_id, '2022-06-30', 1500007 * investment_id from fund_investments;

-- Everything recorded, in the order in which the rows were added. That is after the LPs were locked, so for two transactions that
-- concern the same LP it is the order of their commits.
create table noted (
    position bigint generated always as identity primary key,
    transaction_id xid8 not null default pg_current_xact_id(),
    relation text not null,
    row_id bigint not null,
    event_id text not null);
create function note() returns trigger language plpgsql security definer set search_path from current as $$
begin
    insert into noted (relation, row_id, event_id)
    values (tg_table_name, (to_jsonb(new) ->> tg_argv[0])::bigint, new.metadata ->> 'event');
    return null;
end $$;
create trigger noted after insert on capital_activities for each row execute function note('activity_id');
create trigger noted after insert on commitment_navs for each row execute function note('nav_id');
create trigger noted after insert on fund_nav_snapshots for each row execute function note('snapshot_id');

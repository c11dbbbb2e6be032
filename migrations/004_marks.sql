-- Whatever changes the truth says so in the same transaction, whoever changes it: a mark for the views, a row for the
-- performance it owes, and the fund's commitments in force. Statement triggers, so that a batch pays once.

-- Entries: their marks, what they owe, and their part in the fund's commitments in force. Also holds reversals to the rule:
-- same commitment, type and date, the amount negated, and never the reversal of a reversal.
create function follow_activities() returns trigger language plpgsql as $$
begin
    if exists (
        select from new_rows r
        join capital_activities o on o.activity_id = r.reverses_activity_id
        where (o.commitment_id, o.activity_type, o.effective_date, o.amount_cents)
              is distinct from (r.commitment_id, r.activity_type, r.effective_date, -r.amount_cents)
           or o.reverses_activity_id is not null
    ) then
        raise exception 'a reversal must mirror the entry it reverses, which must not be a reversal itself'
            using errcode = 'check_violation';
    end if;
    insert into touched_commitments (commitment_id, lp_id, fund_id, latest_date)
        select commitment_id, lp_id, fund_id, max(effective_date) from new_rows group by commitment_id, lp_id, fund_id;
    insert into pending_performance (commitment_id, lp_id, fund_id, from_date)
        select commitment_id, lp_id, fund_id, min(effective_date) from new_rows group by commitment_id, lp_id, fund_id;
    update funds f set commitments_in_force_cents = f.commitments_in_force_cents + d.delta_cents
        from (select fund_id, sum(unfunded_effect_cents)::bigint as delta_cents from new_rows where cash_effect_cents = 0 group by fund_id) d
        where f.fund_id = d.fund_id;
    return null;
end $$;
create trigger capital_activities_followed after insert on capital_activities
    referencing new table as new_rows for each statement execute function follow_activities();

create function follow_commitment_navs() returns trigger language plpgsql as $$
begin
    insert into touched_commitments (commitment_id, lp_id, fund_id, latest_date)
        select c.commitment_id, c.lp_id, c.fund_id, max(r.as_of_date)
        from new_rows r join lp_fund_commitments c on c.commitment_id = r.commitment_id group by c.commitment_id;
    insert into pending_performance (commitment_id, lp_id, fund_id, from_date)
        select c.commitment_id, c.lp_id, c.fund_id, min(r.as_of_date)
        from new_rows r join lp_fund_commitments c on c.commitment_id = r.commitment_id group by c.commitment_id;
    return null;
end $$;
create trigger commitment_navs_followed after insert on commitment_navs
    referencing new table as new_rows for each statement execute function follow_commitment_navs();

-- Commitments written by the system that owns them.
create function follow_new_commitments() returns trigger language plpgsql as $$
begin
    insert into touched_commitments (commitment_id, lp_id, fund_id, latest_date)
        select commitment_id, lp_id, fund_id, commitment_date from new_rows;
    insert into pending_performance (commitment_id, lp_id, fund_id, from_date)
        select commitment_id, lp_id, fund_id, commitment_date from new_rows;
    update funds f set commitments_in_force_cents = f.commitments_in_force_cents + d.delta_cents
        from (select fund_id, sum(commitment_amount_cents)::bigint as delta_cents from new_rows group by fund_id) d
        where f.fund_id = d.fund_id;
    return null;
end $$;
create trigger lp_fund_commitments_inserted after insert on lp_fund_commitments
    referencing new table as new_rows for each statement execute function follow_new_commitments();

create function follow_old_commitments() returns trigger language plpgsql as $$
begin
    insert into touched_commitments (commitment_id, lp_id, fund_id, latest_date)
        select commitment_id, lp_id, fund_id, commitment_date from old_rows;
    -- The LP's pools may have lost a member: they are owed under any commitment that it still holds.
    insert into pending_performance (commitment_id, lp_id, fund_id, from_date)
        select commitment_id, lp_id, fund_id, commitment_date from old_rows;
    update funds f set commitments_in_force_cents = f.commitments_in_force_cents - d.delta_cents
        from (select fund_id, sum(commitment_amount_cents)::bigint as delta_cents from old_rows group by fund_id) d
        where f.fund_id = d.fund_id;
    return null;
end $$;
create trigger lp_fund_commitments_deleted after delete on lp_fund_commitments
    referencing old table as old_rows for each statement execute function follow_old_commitments();

create function follow_changed_commitments() returns trigger language plpgsql as $$
begin
    insert into touched_commitments (commitment_id, lp_id, fund_id, latest_date)
        select n.commitment_id, n.lp_id, n.fund_id, greatest(n.commitment_date, o.commitment_date)
        from new_rows n join old_rows o on o.commitment_id = n.commitment_id
        union all
        select o.commitment_id, o.lp_id, o.fund_id, o.commitment_date
        from new_rows n join old_rows o on o.commitment_id = n.commitment_id and (o.lp_id, o.fund_id) <> (n.lp_id, n.fund_id);
    insert into pending_performance (commitment_id, lp_id, fund_id, from_date)
        select n.commitment_id, n.lp_id, n.fund_id, least(n.commitment_date, o.commitment_date)
        from new_rows n join old_rows o on o.commitment_id = n.commitment_id
        where (n.commitment_amount_cents, n.commitment_date, n.lp_id, n.fund_id)
              is distinct from (o.commitment_amount_cents, o.commitment_date, o.lp_id, o.fund_id)
        union all
        -- Moved to another LP or fund: the pools it has left are owed as well.
        select o.commitment_id, o.lp_id, o.fund_id, o.commitment_date
        from new_rows n join old_rows o on o.commitment_id = n.commitment_id and (o.lp_id, o.fund_id) <> (n.lp_id, n.fund_id);
    update funds f set commitments_in_force_cents = f.commitments_in_force_cents + d.delta_cents
        from (select c.fund_id, sum(c.cents)::bigint as delta_cents
              from (select fund_id, commitment_amount_cents as cents from new_rows
                    union all
                    select fund_id, -commitment_amount_cents from old_rows) c
              group by c.fund_id having sum(c.cents) <> 0) d
        where f.fund_id = d.fund_id;
    return null;
end $$;
create trigger lp_fund_commitments_changed after update on lp_fund_commitments
    referencing old table as old_rows new table as new_rows for each statement execute function follow_changed_commitments();

-- A fund's own figures: its gross performance is owed from the earliest date on.
create function follow_fund_navs() returns trigger language plpgsql as $$
begin
    insert into pending_performance (fund_id, from_date) select fund_id, min(as_of_date) from new_rows group by fund_id;
    return null;
end $$;
create trigger fund_nav_snapshots_followed after insert on fund_nav_snapshots
    referencing new table as new_rows for each statement execute function follow_fund_navs();

create function follow_fund_cash_flows() returns trigger language plpgsql as $$
begin
    insert into pending_performance (fund_id, from_date)
        select i.fund_id, min(r.flow_date) from new_rows r join fund_investments i on i.investment_id = r.investment_id group by i.fund_id;
    return null;
end $$;
create trigger fund_cash_flows_followed after insert on fund_cash_flows
    referencing new table as new_rows for each statement execute function follow_fund_cash_flows();

create function follow_valuations() returns trigger language plpgsql as $$
begin
    insert into pending_performance (fund_id, from_date)
        select i.fund_id, min(r.valuation_date) from new_rows r join fund_investments i on i.investment_id = r.investment_id group by i.fund_id;
    return null;
end $$;
create trigger investment_valuations_followed after insert on investment_valuations
    referencing new table as new_rows for each statement execute function follow_valuations();

-- After `accounts.sql`: writes its rows. Those of days before from_date stay as they are; entries and reports are append-only, so a
-- day that has a row never loses it, and an upsert is enough.
insert into lp_capital_accounts as account (
    lp_id, fund_id, commitment_id, account_date, paid_in_cents, distributed_cents, unfunded_effect_cents,
    commitment_effect_cents, nav_cents, reported_nav_cents, nav_as_of_date, irr_date)
select c.lp_id, c.fund_id, c.commitment_id, c.account_date, c.paid_in_cents, c.distributed_cents, c.unfunded_effect_cents,
       c.commitment_effect_cents, c.nav_cents, c.reported_nav_cents, c.nav_as_of_date, c.irr_date
from computed c
order by c.lp_id, c.commitment_id, c.account_date
on conflict (lp_id, commitment_id, account_date) do update set
    paid_in_cents = excluded.paid_in_cents,
    distributed_cents = excluded.distributed_cents,
    unfunded_effect_cents = excluded.unfunded_effect_cents,
    commitment_effect_cents = excluded.commitment_effect_cents,
    nav_cents = excluded.nav_cents,
    reported_nav_cents = excluded.reported_nav_cents,
    nav_as_of_date = excluded.nav_as_of_date,
    irr_date = excluded.irr_date
where (account.paid_in_cents, account.distributed_cents, account.unfunded_effect_cents, account.commitment_effect_cents,
       account.nav_cents, account.reported_nav_cents, account.nav_as_of_date, account.irr_date)
      is distinct from
      (excluded.paid_in_cents, excluded.distributed_cents, excluded.unfunded_effect_cents, excluded.commitment_effect_cents,
       excluded.nav_cents, excluded.reported_nav_cents, excluded.nav_as_of_date, excluded.irr_date)

-- For each investment of the fund $1: the days with cash, what went in and what came out.
select f.investment_id, f.flow_date,
       coalesce(sum(-f.amount_cents) filter (where f.amount_cents < 0), 0)::bigint as invested_cents,
       coalesce(sum(f.amount_cents) filter (where f.amount_cents > 0), 0)::bigint as proceeds_cents
from fund_investments i
join fund_cash_flows f on f.investment_id = i.investment_id
where i.fund_id = $1
group by f.investment_id, f.flow_date
order by f.investment_id, f.flow_date

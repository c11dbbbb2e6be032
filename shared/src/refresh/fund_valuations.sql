-- For each investment of the fund $1: the valuation that counts for each date, the one recorded last.
select distinct on (v.investment_id, v.valuation_date) v.investment_id, v.valuation_date, v.fair_value_cents
from fund_investments i
join investment_valuations v on v.investment_id = i.investment_id
where i.fund_id = $1
order by v.investment_id, v.valuation_date, v.valuation_id desc

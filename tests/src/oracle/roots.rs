//! Where dated flows sum to zero, by looking everywhere: walk a grid, bisect wherever the sum changes its sign.

/// Every x = ln(1 + rate) at which the flows sum to zero. The grid's range covers rates from −0.999999 to 1,000,000, and for short
/// spans growth and loss by a factor of e^60 over the span. Flows that change their sign once have one root, and mostly there. Others
/// are looked for as far out as a day can make them.
#[must_use]
pub fn log_rates(flows: &[(f64, f64)]) -> Vec<f64> {
    let span = flows[flows.len() - 1].0;
    let signs = flows.windows(2);
    let sign_changes = signs.filter(|pair| pair[0].1 * pair[1].1 < 0.0).count();
    let reach = f64::max(14.0, 60.0 / span).min(600.0 / span);
    let mut roots = grid_roots(flows, reach);
    if sign_changes > 1 || roots.is_empty() {
        roots.extend(far_roots(flows, reach));
    }
    roots
}

/// The flows' sum at x, as seen from the day that makes the largest exponent zero: of the right sign, and never beyond all bounds.
fn sum_at(flows: &[(f64, f64)], x: f64) -> f64 {
    let span = flows[flows.len() - 1].0;
    let from = if x < 0.0 { span } else { 0.0 };
    let terms = flows.iter();
    terms.map(|(t, cents)| cents * (x * (from - t)).exp()).sum()
}

/// The roots within −reach and reach, walked evenly.
fn grid_roots(flows: &[(f64, f64)], reach: f64) -> Vec<f64> {
    let span = flows[flows.len() - 1].0;
    let step = 0.1 / span;
    // One step of the grid multiplies each flow by a constant, which spares an exponential a flow and step.
    let growths: Vec<f64> = flows
        .iter()
        .map(|(t, _)| (step * (span - t)).exp())
        .collect();
    let mut values: Vec<f64> = flows
        .iter()
        .map(|(t, cents)| cents * (-reach * (span - t)).exp())
        .collect();
    let mut roots = Vec::new();
    let mut before = (-reach, values.iter().sum::<f64>());
    let mut nearer = None;
    for k in 1..=(2.0 * reach / step).ceil() as u32 {
        let mut sum = 0.0;
        for (value, growth) in values.iter_mut().zip(&growths) {
            *value *= growth;
            sum += *value;
        }
        let x = -reach + f64::from(k) * step;
        if sum * before.1 < 0.0 {
            roots.push(bisect(flows, before.0, x));
        } else if let Some(from) = nearer.filter(|_| sum.abs() > before.1.abs()) {
            roots.extend(between(flows, from, x));
        }
        nearer = (sum * before.1 > 0.0 && sum.abs() < before.1.abs()).then_some(before.0);
        if sum != 0.0 {
            before = (x, sum);
        }
    }
    roots
}

/// The roots of a stretch in which the sum comes nearer to zero and goes away again: two, one that it only touches, or none.
fn between(flows: &[(f64, f64)], from: f64, to: f64) -> Vec<f64> {
    const TOUCHES: f64 = 1e-12;
    let sign = sum_at(flows, from).signum();
    let (mut low, mut high) = (from, to);
    for _ in 0..80 {
        let third = (high - low) / 3.0;
        if sum_at(flows, low + third) * sign < sum_at(flows, high - third) * sign {
            high -= third;
        } else {
            low += third;
        }
    }
    let lowest = sum_at(flows, low) * sign;
    let gross: Vec<_> = flows.iter().map(|(t, cents)| (*t, cents.abs())).collect();
    if lowest.abs() <= TOUCHES * sum_at(&gross, low) {
        vec![low]
    } else if lowest < 0.0 {
        vec![bisect(flows, from, low), bisect(flows, low, to)]
    } else {
        Vec::new()
    }
}

/// Whether one end outweighs all other flows together at x, and so at everything farther out.
fn is_outweighed(flows: &[(f64, f64)], x: f64) -> bool {
    let end = if x < 0.0 { flows.len() - 1 } else { 0 };
    let gross: Vec<_> = flows.iter().map(|(t, cents)| (*t, cents.abs())).collect();
    2.0 * gross[end].1 > sum_at(&gross, x)
}

/// The roots beyond, walked in steps that grow with the distance, as far as a day makes a difference of e^40.
fn far_roots(flows: &[(f64, f64)], reach: f64) -> Vec<f64> {
    const FARTHEST: f64 = 40.0 * 365.0;
    const GROWTH: f64 = 1.01;
    let mut roots = Vec::new();
    for side in [-1.0, 1.0] {
        let mut before = (side * reach, sum_at(flows, side * reach));
        while before.0.abs() < FARTHEST && !is_outweighed(flows, before.0) {
            let x = before.0 * GROWTH;
            let sum = sum_at(flows, x);
            if before.1 * sum < 0.0 {
                roots.push(bisect(flows, before.0.min(x), before.0.max(x)));
            }
            before = (x, sum);
        }
    }
    roots
}

/// Halves an interval over which the sum changes its sign until no floating-point number is left between its ends. Where it does not
/// after all, when it is worked out at once and not step by step, one of the ends is the root but for rounding.
fn bisect(flows: &[(f64, f64)], mut low: f64, mut high: f64) -> f64 {
    let (end, nudge) = (low, (high - low) * 1e-6);
    let (below, above) = (sum_at(flows, low), sum_at(flows, high));
    // A root on the very end was another interval's; the one that is meant lies within, if there is one.
    if below == 0.0 {
        low += nudge;
    }
    let below = sum_at(flows, low);
    if below * above >= 0.0 {
        return if below.abs() < above.abs() { end } else { high };
    }
    for _ in 0..80 {
        let middle = (low + high) / 2.0;
        if sum_at(flows, middle) * below > 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    (low + high) / 2.0
}

//! Compound growth by additions, multiplications and divisions alone: the mathematical functions of a platform may differ
//! in the last bit, and the sample must be the same everywhere.

/// Enough terms for a double at every rate between −50 % and +100 %.
const TERMS: u32 = 24;

/// What 1 becomes in so many days at an annual rate: (1 + rate)^(days / 365).
pub fn growth(annual_rate: f64, days: i64) -> f64 {
    exponential(logarithm_of_one_plus(annual_rate) * days as f64 / 365.0)
}

/// ln(1 + x) = 2 artanh(x / (2 + x)), by its series.
fn logarithm_of_one_plus(x: f64) -> f64 {
    let z = x / (2.0 + x);
    let mut power = z;
    let mut sum = 0.0;
    for term in 0..TERMS {
        sum += power / f64::from(2 * term + 1);
        power *= z * z;
    }
    2.0 * sum
}

/// e^x by its series; halved first, until that converges quickly, and squared again afterwards.
fn exponential(x: f64) -> f64 {
    if x.abs() > 1.0 {
        let half = exponential(x / 2.0);
        return half * half;
    }
    let mut power = 1.0;
    let mut sum = 1.0;
    for term in 1..TERMS {
        power *= x / f64::from(term);
        sum += power;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::growth;

    #[test]
    fn growth_agrees_with_the_platform() {
        for (rate, days) in [(0.25, 91), (-0.4, 365), (0.08, 5000), (1.0, 730), (0.1, 0)] {
            let expected = (1.0_f64 + rate).powf(f64::from(days) / 365.0);
            let error = growth(rate, i64::from(days)) / expected - 1.0;
            assert!(error.abs() < 1e-13, "{rate} over {days} days: {error}");
        }
    }
}

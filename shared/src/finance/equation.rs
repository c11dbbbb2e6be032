//! The equation behind an internal rate of return, Σ amountᵢ·e^(−x·yearsᵢ) = 0 with x = ln(1 + r), and its solutions.
//!
//! In x there is no domain error, whatever the rate. Inflows and outflows are kept apart as two sums of positive
//! exponentials. Their present values meet where the equation is solved, and their smoothness bounds where it can't be.
//! Nearly all real flows are settled by a few Newton steps and one proof that no other root exists; the others by a
//! search that excludes or isolates every root on the line. Both depend on the flows alone, so a rebuild repeats them.

/// Where every solution begins: an annual rate of 10 %.
const START: f64 = 0.095_310_179_804_324_87;

/// Newton on the ratio of two present values takes 3 to 6 steps; what takes more is left to the search.
const MAX_NEWTON_STEPS: usize = 24;

/// The last Newton step is this small relative to its result. Convergence is quadratic, so the error is far smaller.
const LAST_STEP: f64 = 1e-10;

/// A net present value this small, relative to all flows' present values, is zero but for rounding.
const RESIDUAL: f64 = 1e-11;

/// Pieces this narrow are not split any more: only where three roots all but coincide is nothing known about them yet.
const NARROWEST_PIECE: f64 = 1e-7;

/// The search halves an interval at most this often, which pathological flows alone could exceed.
const MAX_SPLITS: usize = 2_048;

/// Doubling an interval from 1 this often exceeds every rate at which one cent a day apart still matters.
const MAX_DOUBLINGS: usize = 64;

/// A bisection halves until its ends are neighbouring numbers; this many halvings get there from any interval.
const MAX_HALVINGS: usize = 200;

/// An amount and when it flows.
#[derive(Debug)]
struct Term {
    years: f64,
    amount: f64,
}

/// Flows sorted by date, none of them zero, on at least two dates, with both signs.
#[derive(Debug)]
pub(super) struct Equation {
    terms: Vec<Term>,
}

/// Both sides' sums Σ |amount|·|t|^k·e^(−x·t) for k below `N`: first the inflows', then the outflows'.
type Moments<const N: usize> = [[f64; N]; 2];

/// The moments at one x: present values, and what their first three derivatives are made of.
#[derive(Clone, Copy)]
struct Point {
    x: f64,
    moments: Moments<4>,
}

impl Point {
    /// Inflows minus outflows, of present values (k = 0) or of their k-th derivatives, up to a fixed sign.
    fn difference(&self, k: usize) -> f64 {
        self.moments[0][k] - self.moments[1][k]
    }

    /// Zero counts as positive everywhere, so that adjoining intervals never both miss a root at their common end.
    fn positive(&self, k: usize) -> bool {
        self.difference(k) >= 0.0
    }

    /// Whether the net present value is zero but for rounding.
    fn is_root(&self) -> bool {
        self.difference(0).abs() <= RESIDUAL * (self.moments[0][0] + self.moments[1][0])
    }
}

impl Equation {
    /// Takes (day, amount) pairs that are sorted, distinct in date, not zero, and have both signs.
    pub(super) fn new(flows: &[(i32, f64)]) -> Equation {
        let first_day = flows.first().map_or(0, |flow| flow.0);
        let term = |&(day, amount): &(i32, f64)| Term {
            years: f64::from(day - first_day) / 365.0,
            amount,
        };
        Equation {
            terms: flows.iter().map(term).collect(),
        }
    }

    /// All solutions x, ascending, each once.
    pub(super) fn roots(&self) -> Vec<f64> {
        match self.newton(START).filter(|&x| self.is_only_root(x)) {
            Some(x) => vec![x],
            None => self.search(),
        }
    }

    /// The date that present values refer to. It makes every exponent negative, so that no sum overflows: the first
    /// flow's date when discounting (x ≥ 0), and the last one's when compounding.
    fn anchor(&self, half: f64) -> f64 {
        if half < 0.0 {
            self.terms.last().map_or(0.0, |term| term.years)
        } else {
            0.0
        }
    }

    /// The moments at x, as seen from the half of the line that `half` has the sign of (they differ only at x = 0).
    fn moments<const N: usize>(&self, x: f64, half: f64) -> Moments<N> {
        let anchor = self.anchor(half);
        let mut moments = [[0.0; N]; 2];
        for term in &self.terms {
            let years = term.years - anchor;
            let mut weight = term.amount.abs() * (-x * years).exp();
            for moment in &mut moments[usize::from(term.amount < 0.0)] {
                *moment += weight;
                weight *= years.abs();
            }
        }
        moments
    }

    /// Newton's method on ln(inflows / outflows), which is nearly straight, and exactly so for two flows: its slope is
    /// the difference of the two durations. `None` when it does not settle.
    fn newton(&self, start: f64) -> Option<f64> {
        let mut x = start;
        for _ in 0..MAX_NEWTON_STEPS {
            let [inflows, outflows] = self.moments::<2>(x, x);
            let durations = inflows[1] / inflows[0] - outflows[1] / outflows[0];
            let step =
                (inflows[0] / outflows[0]).ln() / durations * if x < 0.0 { -1.0 } else { 1.0 };
            x += step;
            if !x.is_finite() {
                return None;
            }
            if step.abs() <= LAST_STEP * x.abs().max(1.0) {
                return Some(x);
            }
        }
        None
    }

    /// Whether x is a root and provably the only one. It is when the balance that earns the rate never changes sides
    /// before the end ("pure investment", Teichroew, Robichek and Montalbano 1965): by partial summation the net
    /// present value at any other rate is then a sum of terms with one sign. Calls first and distributions later, the
    /// life of a fund, pass unless a balance is lost in rounding.
    ///
    /// A balance is the sum of the flows before it, and minus the sum of those after it. Summing the smaller side keeps
    /// its sign beyond doubt where flows differ by many orders of magnitude.
    fn is_only_root(&self, x: f64) -> bool {
        let anchor = self.anchor(x);
        let value = |term: &Term| term.amount * (-x * (term.years - anchor)).exp();
        let values: Vec<f64> = self.terms.iter().map(value).collect();
        let net: f64 = values.iter().sum();
        let gross: f64 = values.iter().map(|value| value.abs()).sum();

        let before = balance_signs(values.iter().copied(), gross / 2.0);
        let after = balance_signs(values.iter().rev().map(|value| -value), gross / 2.0);
        let positive = before.0 || after.0;
        let negative = before.1 || after.1;
        net.abs() <= RESIDUAL * gross && positive != negative
    }

    /// Every root on the line, by splitting it until each piece provably holds none or a known number.
    fn search(&self) -> Vec<f64> {
        let mut roots = Vec::new();
        let mut splits = 0;
        for half in [-1.0, 1.0] {
            let mut pieces = self.pieces(half);
            while let Some((a, b)) = pieces.pop() {
                let is_tiny = b.x - a.x <= NARROWEST_PIECE * a.x.abs().max(1.0);
                if separated(&a, &b, 0, half) {
                    continue;
                }
                if is_tiny
                    || splits == MAX_SPLITS
                    || separated(&a, &b, 1, half)
                    || separated(&a, &b, 2, half)
                {
                    self.settle(&a, &b, half, &mut roots);
                } else {
                    splits += 1;
                    let middle = self.point(f64::midpoint(a.x, b.x), half);
                    pieces.extend([(a, middle), (middle, b)]);
                }
            }
        }
        roots.sort_by(f64::total_cmp);
        self.merge(roots)
    }

    /// Leaves one of neighbouring roots between which the curve does not leave zero: rounding made several of a single
    /// flat one, or the halves that meet in it found it twice.
    fn merge(&self, roots: Vec<f64>) -> Vec<f64> {
        let mut merged: Vec<f64> = Vec::new();
        for root in roots {
            let is_same = merged.last().is_some_and(|&last| {
                let middle = f64::midpoint(last, root);
                self.point(middle, middle).is_root()
            });
            if !is_same {
                merged.push(root);
            }
        }
        merged
    }

    /// Covers one half of the line, from zero outwards in doubling pieces, up to where the flow at the end that counts
    /// there outweighs all others together: beyond, the sign is that flow's.
    fn pieces(&self, half: f64) -> Vec<(Point, Point)> {
        let end = if half < 0.0 {
            self.terms.last()
        } else {
            self.terms.first()
        };
        let dominant = end.map_or(0.0, |term| term.amount.abs());
        let mut pieces = Vec::new();
        let (mut inner, mut outer) = (self.point(0.0, half), self.point(half, half));
        for _ in 0..MAX_DOUBLINGS {
            pieces.push(if half < 0.0 {
                (outer, inner)
            } else {
                (inner, outer)
            });
            if outer.moments[0][0] + outer.moments[1][0] < 2.0 * dominant {
                break;
            }
            (inner, outer) = (outer, self.point(2.0 * outer.x, half));
        }
        pieces
    }

    fn point(&self, x: f64, half: f64) -> Point {
        Point {
            x,
            moments: self.moments(x, half),
        }
    }

    /// Finds the roots of a piece on which the curve turns at most once: up to two, or one where it only touches zero.
    fn settle(&self, a: &Point, b: &Point, half: f64, roots: &mut Vec<f64>) {
        if a.positive(1) == b.positive(1) {
            self.cross(a, b, half, roots);
            return;
        }
        let turn = self.bisect(a, b, 1, half);
        if turn.is_root() {
            roots.push(turn.x);
        } else {
            self.cross(a, &turn, half, roots);
            self.cross(&turn, b, half, roots);
        }
    }

    /// Finds the root of a monotone piece, which has one if its ends differ in sign.
    fn cross(&self, a: &Point, b: &Point, half: f64, roots: &mut Vec<f64>) {
        if a.positive(0) != b.positive(0) {
            roots.push(self.bisect(a, b, 0, half).x);
        }
    }

    /// Where the k-th difference changes its sign between two points that differ in it.
    fn bisect(&self, a: &Point, b: &Point, k: usize, half: f64) -> Point {
        let (mut low, mut high) = (*a, *b);
        for _ in 0..MAX_HALVINGS {
            let middle = f64::midpoint(low.x, high.x);
            if middle <= low.x || middle >= high.x {
                break;
            }
            let point = self.point(middle, half);
            if point.positive(k) == low.positive(k) {
                low = point
            } else {
                high = point
            }
        }
        if low.difference(k).abs() < high.difference(k).abs() {
            low
        } else {
            high
        }
    }
}

/// Whether any running balance may be positive, and whether any may be negative, while the values summed up are
/// no more than `limit` in size. A balance within rounding of zero may be both.
fn balance_signs(values: impl Iterator<Item = f64>, limit: f64) -> (bool, bool) {
    let (mut balance, mut size) = (0.0_f64, 0.0_f64);
    let (mut positive, mut negative) = (false, false);
    for value in values {
        balance += value;
        size += value.abs();
        if size > limit * (1.0 + RESIDUAL) {
            break;
        }
        positive |= balance >= -RESIDUAL * size;
        negative |= balance <= RESIDUAL * size;
    }
    (positive, negative)
}

/// Whether the k-th moments of inflows and outflows provably don't meet between two points of one half.
///
/// Each is a sum of positive exponentials, so convex: it lies above its tangents and below its chord. One stays above
/// the other if a tangent of the upper does above the chord of the lower, and two lines need comparing at the ends only.
fn separated(a: &Point, b: &Point, k: usize, half: f64) -> bool {
    let reach = (b.x - a.x) * half;
    let above = |upper: usize, lower: usize| {
        let (upper_a, upper_b) = (a.moments[upper][k], b.moments[upper][k]);
        let (lower_a, lower_b) = (a.moments[lower][k], b.moments[lower][k]);
        let tangent_of_a_at_b = upper_a - reach * a.moments[upper][k + 1];
        let tangent_of_b_at_a = upper_b + reach * b.moments[upper][k + 1];
        upper_a > lower_a
            && upper_b > lower_b
            && (tangent_of_a_at_b > lower_b || tangent_of_b_at_a > lower_a)
    };
    above(0, 1) || above(1, 0)
}

#[cfg(test)]
mod tests;

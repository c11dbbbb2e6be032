//! Roots that are known, counted on a grid, or proved by the other method.

use proptest::prelude::*;

use super::*;

/// Distinct days with amounts of any sign, at least one of each.
fn any_equation() -> impl Strategy<Value = Equation> {
    prop::collection::btree_map(0..4_000_i32, 1..10_000_i32, 2..30).prop_flat_map(|flows| {
        let count = flows.len();
        prop::collection::vec(any::<bool>(), count)
            .prop_filter("both signs", |signs| {
                signs.contains(&true) && signs.contains(&false)
            })
            .prop_map(move |signs| {
                let signed = flows.iter().zip(signs).map(|((&day, &amount), is_inflow)| {
                    (day, f64::from(if is_inflow { amount } else { -amount }))
                });
                Equation::new(&signed.collect::<Vec<_>>())
            })
    })
}

/// Calls before distributions: one change of sign, so one root by Descartes' rule.
fn simple_equation() -> impl Strategy<Value = Equation> {
    let calls = prop::collection::btree_map(0..2_000_i32, 1..10_000_i32, 1..20);
    let distributions = prop::collection::btree_map(2_000..4_000_i32, 1..10_000_i32, 1..20);
    (calls, distributions).prop_map(|(calls, distributions)| {
        let paid = calls
            .into_iter()
            .map(|(day, amount)| (day, -f64::from(amount)));
        let received = distributions
            .into_iter()
            .map(|(day, amount)| (day, f64::from(amount)));
        Equation::new(&paid.chain(received).collect::<Vec<_>>())
    })
}

fn is_positive(equation: &Equation, x: f64) -> bool {
    equation.point(x, x).positive(0)
}

proptest! {
    #[test]
    fn newton_settles_simple_flows_and_the_search_agrees(equation in simple_equation()) {
        let x = equation.newton(START).expect("Newton settles");
        let searched = equation.search();
        prop_assert_eq!(searched.len(), 1);
        prop_assert!((searched[0] - x).abs() <= 1e-9 * x.abs().max(1.0), "{} {}", searched[0], x);
    }

    #[test]
    fn the_search_finds_every_change_of_sign_on_a_fine_grid(equation in any_equation()) {
        let roots = equation.search();
        let grid = |step: i32| f64::from(step) / 200.0;
        for step in -4_000..4_000 {
            let (a, b) = (grid(step), grid(step + 1));
            if is_positive(&equation, a) != is_positive(&equation, b) {
                prop_assert!(roots.iter().any(|&root| root >= a - 1e-9 && root <= b + 1e-9), "{} {:?}", a, roots);
            }
        }
    }

    #[test]
    fn between_neighbouring_roots_the_sign_alternates(equation in any_equation()) {
        let roots = equation.search();
        let ends = [roots.first().map(|x| x - 1.0), roots.last().map(|x| x + 1.0)];
        let between = roots.windows(2).map(|pair| f64::midpoint(pair[0], pair[1]));
        let probes: Vec<f64> = ends[0].into_iter().chain(between).chain(ends[1]).collect();
        for pair in probes.windows(2) {
            prop_assert_ne!(is_positive(&equation, pair[0]), is_positive(&equation, pair[1]), "{:?}", roots);
        }
    }

    #[test]
    fn a_proof_of_one_root_is_confirmed_by_the_search(equation in any_equation()) {
        let Some(x) = equation.newton(START).filter(|&x| equation.is_only_root(x)) else { return Ok(()) };
        prop_assert_eq!(equation.search().len(), 1, "{}", x);
    }
}

#[test]
fn roots_that_are_built_in_are_found() {
    // (q − 0.5)(q − 0.8)(q − 1)(q − 1.25)(q − 2) with q = 1 / (1 + r), a year apart.
    let mut coefficients = vec![1.0];
    for root in [0.5, 0.8, 1.0, 1.25, 2.0] {
        let shifted = [&[0.0][..], &coefficients].concat();
        let scaled: Vec<f64> = coefficients
            .iter()
            .map(|c| -root * c)
            .chain([0.0])
            .collect();
        coefficients = shifted.iter().zip(&scaled).map(|(a, b)| a + b).collect();
    }
    let flows: Vec<(i32, f64)> = (0..).step_by(365).zip(coefficients).collect();
    let roots = Equation::new(&flows).roots();
    let expected = [
        -(2.0_f64.ln()),
        -(1.25_f64.ln()),
        0.0,
        1.25_f64.ln(),
        2.0_f64.ln(),
    ];
    assert_eq!(roots.len(), 5, "{roots:?}");
    assert!(
        roots
            .iter()
            .zip(expected)
            .all(|(root, x)| (root - x).abs() < 1e-9),
        "{roots:?}"
    );
}

#[test]
fn a_curve_that_only_touches_zero_has_one_root_even_where_the_halves_meet() {
    let touching = |q: f64| Equation::new(&[(0, -q * q), (365, 2.0 * q), (730, -1.0)]).roots();
    for q in [0.5, 1.0, 2.0] {
        let roots = touching(q);
        assert_eq!(roots.len(), 1, "{roots:?}");
        assert!((roots[0] + q.ln()).abs() < 1e-6, "{roots:?}");
    }
    let triple = Equation::new(&[(0, -1.0), (365, 3.0), (730, -3.0), (1_095, 1.0)]).roots();
    assert_eq!(triple.len(), 1, "{triple:?}");
    assert!(triple[0].abs() < 1e-4, "{triple:?}");
}

#[test]
fn flows_that_differ_by_orders_of_magnitude_do_not_hide_a_root() {
    // At the root near x = 104 the flows after the second are worth less than its rounding, and yet the last of them
    // makes a second root.
    let flows = [
        (0, 175.0),
        (14, -9_660.0),
        (963, -8_748.0),
        (3_753, -6_238.0),
        (3_758, 2_146.0),
    ];
    assert_eq!(Equation::new(&flows).roots().len(), 2);
}

#[test]
fn the_life_of_a_fund_needs_no_search() {
    let calls = (0..20).map(|number| (number * 91, -5_000.0));
    let distributions = (12..48).map(|number| (number * 91 + 40, 4_500.0));
    let mut flows: Vec<(i32, f64)> = calls.chain(distributions).collect();
    flows.sort_by_key(|flow| flow.0);
    let equation = Equation::new(&flows);
    assert!(
        equation
            .newton(START)
            .is_some_and(|x| equation.is_only_root(x))
    );
}

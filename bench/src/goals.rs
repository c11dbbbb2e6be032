//! What is to be reached, and whether it was.

use crate::answers::Answers;
use crate::results::Results;

/// A goal with its figure.
pub struct Goal {
    /// What is measured.
    pub what: String,
    /// The most, or the least, that will do, with its arithmetic.
    pub goal: String,
    /// What was measured.
    pub figure: String,
    /// Whether that will do; nothing when the run cannot tell.
    pub is_met: Option<bool>,
}

impl Goal {
    fn at_most(what: &str, limit: f64, figure: f64, unit: &str, why: &str) -> Self {
        Self {
            what: what.to_owned(),
            goal: format!("≤ {} {unit}{}", short(limit), because(why)),
            figure: format!("{} {unit}", short(figure)),
            is_met: Some(figure <= limit),
        }
    }

    fn at_least(what: &str, limit: f64, figure: f64, unit: &str) -> Self {
        Self {
            what: what.to_owned(),
            goal: format!("≥ {} {unit}", short(limit)),
            figure: format!("{} {unit}", short(figure)),
            is_met: Some(figure >= limit),
        }
    }
}

/// A goal of which a run tells something only if so.
fn only_if(is_known: bool, goal: Goal) -> Goal {
    Goal {
        is_met: goal.is_met.filter(|_| is_known),
        ..goal
    }
}

fn because(why: &str) -> String {
    if why.is_empty() {
        String::new()
    } else {
        format!(" ({why})")
    }
}

/// Three digits that matter.
pub fn short(figure: f64) -> String {
    let digits = match figure.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    format!("{figure:.digits$}")
}

/// The select floor that the absolute goals were set on.
const SELECT_FLOOR_MS: f64 = 0.036;

/// All goals of a run.
pub fn goals(results: &Results) -> Vec<Goal> {
    let mut goals = answers(results);
    goals.extend(starts(results));
    goals.extend(recording(results));
    goals.extend(upkeep(results));
    goals
}

fn answers(results: &Results) -> Vec<Goal> {
    let floors = &results.found.floors;
    let (hello, get, select) = (
        floors.hello.p50_ms,
        floors.redis_get.p50_ms,
        floors.select.p50_ms,
    );
    let of = |function: &str| -> Option<&Answers> {
        results
            .found
            .answers
            .iter()
            .find(|answers| answers.function == function)
    };
    let mut goals = Vec::new();
    if let Some(summary) = of("summary") {
        let hit = summary.hit.p50_ms;
        goals.push(Goal::at_most(
            "cached summary",
            2.0 * (hello + get),
            hit,
            "ms",
            "2 × (hello + GET)",
        ));
        let from_database = summary.database.p50_ms;
        let floor = 2.0 * (hello + select);
        let why = "2 × (hello + select)";
        goals.push(Goal::at_most(
            "summary from the database alone",
            floor,
            from_database,
            "ms",
            why,
        ));
        let more = summary.touched.p50_ms - from_database;
        goals.push(Goal::at_most(
            "the same, all its commitments touched: more",
            1.5,
            more,
            "ms",
            "",
        ));
    }
    if let Some(page) = of("capital-activity") {
        let scale = select / SELECT_FLOOR_MS;
        let above = page.database.p50_ms - hello;
        let why = "2.5 ms scaled by the select floor";
        goals.push(Goal::at_most(
            "1,000 activities from the database alone, above hello",
            2.5 * scale,
            above,
            "ms",
            why,
        ));
        let why = "0.5 ms scaled by the select floor";
        let above = page.hit.p50_ms - hello;
        goals.push(Goal::at_most(
            "1,000 activities cached, above hello",
            0.5 * scale,
            above,
            "ms",
            why,
        ));
    }
    for function in ["fund-performance", "holdings", "performance-history"] {
        if let Some(answers) = of(function) {
            let what = format!("{function} from the database alone");
            let limit = hello + 6.0 * select;
            goals.push(Goal::at_most(
                &what,
                limit,
                answers.database.p50_ms,
                "ms",
                "hello + 6 × select",
            ));
        }
    }
    goals
}

fn starts(results: &Results) -> Vec<Goal> {
    let start = &results.start;
    vec![
        Goal::at_most(
            "start to first answer, TLS to both",
            12.0,
            start.summary.p50_ms,
            "ms",
            "",
        ),
        Goal::at_most("memory then", 20.0, start.summary_peak_mib, "MiB", ""),
    ]
}

fn recording(results: &Results) -> Vec<Goal> {
    let ingest = &results.ingest;
    let ledger = ingest
        .batches
        .iter()
        .map(|rate| rate.ledger_per_second)
        .fold(0.0, f64::max);
    let wrong: i64 = ingest
        .batches
        .iter()
        .map(|rate| rate.lost_or_doubled)
        .chain([ingest.steady.lost_or_doubled])
        .map(i64::abs)
        .sum();
    vec![
        Goal::at_most(
            "one activity to the right answer, p95",
            50.0,
            ingest.right.p95_ms,
            "ms",
            "",
        ),
        Goal::at_most(
            "one activity to the settled rate, p95",
            150.0,
            ingest.settled.p95_ms,
            "ms",
            "",
        ),
        Goal::at_least(
            "into the ledger, an instance while it records, at the best batch size",
            5_000.0,
            ledger,
            "a second",
        ),
        Goal::at_most("lost or doubled", 0.0, wrong as f64, "entries", ""),
        only_if(
            ingest.steady.refreshes >= 2,
            Goal::at_most(
                "refresh's share of time at 300 records a second",
                5.0,
                ingest.steady.refresh_share * 100.0,
                "%",
                "",
            ),
        ),
    ]
}

fn upkeep(results: &Results) -> Vec<Goal> {
    let beside = &results.beside;
    let night = &results.night;
    vec![
        Goal::at_most(
            "readers' p99 beside refreshes",
            2.0,
            beside.refreshing.p99_ms / beside.calm.p99_ms,
            "× the calm p99",
            "",
        ),
        Goal::at_most(
            "index bytes a row, all tables",
            75.0,
            results.facts.index_bytes_per_row,
            "bytes",
            "",
        ),
        Goal::at_most(
            "the night's refresh",
            60.0,
            night.refresh_s,
            "s",
            "at size L",
        ),
        only_if(
            night.handed_on == 0,
            Goal::at_least(
                "performance rebuilt, a second an instance of one core",
                20_000.0,
                night.snapshots as f64 / night.rebuild_s,
                "snapshots",
            ),
        ),
        Goal::at_least(
            "hit rate under the mix",
            60.0,
            results.mix.hit_rate * 100.0,
            "%",
        ),
    ]
}

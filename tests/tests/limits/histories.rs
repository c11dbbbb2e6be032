//! Ten thousand entries on one commitment, in any order.

use std::time::Instant;

use chrono::{Days, NaiveDate};
use serde_json::Value;
use tests::builders::{activity_message, nav_message};
use tests::office::Office;
use tests::reporting::date;

use crate::asking::{
    UNHURRIED, assert_rebuild_is_the_same, assert_right, everything, grant_all, oracle, refresh,
};

const MESSAGES: u64 = 10_000;
const BATCHES: usize = 10;
/// A prime: multiples of it come to every number below that of the messages, in no order to speak of.
const STRIDE: u64 = 7_919;
/// Every so many messages are a NAV, the last one too. The oracle takes its time over the rate at each.
const NAV_EVERY: u64 = 2_500;
/// Two messages a day, the last of them still past.
const FIRST_DAY: &str = "2012-06-01";

/// The n-th message in the order of its days.
fn message(commitment_id: i64, n: u64) -> Value {
    let day = date(FIRST_DAY) + Days::new(n / 2);
    let (day, amount_cents) = (
        day.to_string(),
        1_000 + i64::try_from(n % 977).expect("small"),
    );
    if (n + 1).is_multiple_of(NAV_EVERY) {
        let nav_cents = 400 * i64::try_from(n).expect("small");
        return nav_message(commitment_id, nav_cents, &day, &day);
    }
    let kind = match n % 20 {
        3 | 11 => "distribution",
        7 => "recallable_distribution",
        13 => "return_of_unused_capital",
        17 => "commitment_increase",
        _ => "capital_call",
    };
    activity_message(commitment_id, kind, amount_cents, &day)
}

/// Days on which an answer is asked for: before everything, somewhere in it, and now.
fn dates() -> [Option<NaiveDate>; 3] {
    [Some(date("2012-05-31")), Some(date("2016-07-07")), None]
}

#[tokio::test]
async fn ten_thousand_entries_on_one_commitment_are_all_there_and_every_answer_is_right() {
    let office = Office::open_with(&[UNHURRIED]).await;
    let (desk, world) = (&office.desk, office.world);
    let order = (0..MESSAGES).map(|n| n * STRIDE % MESSAGES);
    let bodies: Vec<String> = order
        .map(|n| message(world.commitment_id, n).to_string())
        .collect();
    for (number, batch) in bodies.chunks(bodies.len() / BATCHES).enumerate() {
        let begun = Instant::now();
        assert_eq!(office.deliver(batch, 1).await, [0_usize; 0]);
        println!("batch {number} of {}: {:?}", batch.len(), begun.elapsed());
    }
    // One more, before all the others.
    let first = activity_message(world.commitment_id, "capital_call", 500, "2011-01-01");
    let begun = Instant::now();
    assert_eq!(office.deliver(&[first.to_string()], 1).await, [0_usize; 0]);
    println!("one more, before all others: {:?}", begun.elapsed());
    assert_eq!(office.dead_letters().await, []);
    let count =
        "select (select count(*) from capital_activities) + (select count(*) from commitment_navs)";
    assert_eq!(desk.number(count).await, 10_001);

    grant_all(desk, &[world.lp_id], &[world.fund_id]).await;
    let oracle = oracle(desk, &[world.lp_id], &[world.fund_id]).await;
    let lp = &oracle.truth().lps[&world.lp_id];
    let mut questions = everything(&oracle, lp, &dates());
    // In short pages the list is the same, each entry once.
    questions.extend(oracle.lists(lp, 97, None));
    let live = assert_right(desk, &questions).await;
    refresh(desk).await;
    let mut of_views = oracle.positions(lp, &[None]);
    of_views.extend(oracle.fund_summaries(world.fund_id, &[None]));
    let from_views = assert_right(desk, &of_views).await;
    let rows = assert_rebuild_is_the_same(desk).await;
    println!(
        "{live} answers live and {from_views} from the views are the oracle's, {rows} derived rows are a rebuild's"
    );
}

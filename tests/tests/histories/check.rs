//! What has to be so after a history: every answer is the oracle's, and everything derived is what a rebuild makes.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use shared::app::App;
use shared::refresh::count_drift;
use tests::asking::ask;
use tests::oracle::Oracle;
use tests::oracle::compare::differences;
use tests::oracle::history::Scope;
use tests::oracle::questions::{Question, Range, scopes};
use tests::oracle::read::{Extent, read_truth_of};
use tests::oracle::truth::Lp;

use crate::messages::date;
use crate::play::Play;

/// What is wrong, in words.
pub type Finding = String;

/// The past days that answers are asked for: one between reports, one with many things on it.
const PAST_DATES: [usize; 2] = [3, 7];
/// How many differences of an answer are told.
const TOLD: usize = 5;

/// Every answer about every LP and fund: of two questions one by a reader whose cache has seen the history, one by a reader without.
pub async fn answers(play: &Play<'_>) -> Result<(), Finding> {
    let oracle = oracle(play).await;
    let day = play.day();
    let ways = [("without a cache", &day.cold), ("with a cache", &day.warm)];
    for (position, lp) in oracle.truth().lps.values().enumerate() {
        // Which is which differs from history to history.
        let ways = ways
            .iter()
            .cycle()
            .skip(position + play.history.events.len());
        for (question, (way, app)) in of_lp(&oracle, lp).iter().zip(ways) {
            assert_answer(play, app, question)
                .await
                .map_err(|finding| format!("at the end, {way}: {finding}"))?;
        }
    }
    fund_summaries(play, &oracle).await
}

/// Those that come from a view, once it is refreshed.
pub async fn answers_from_views(play: &Play<'_>) -> Result<(), Finding> {
    let oracle = oracle(play).await;
    for lp in oracle.truth().lps.values() {
        for question in oracle.positions(lp, &[None]) {
            assert_answer(play, &play.day().cold, &question)
                .await
                .map_err(|finding| format!("after a refresh: {finding}"))?;
        }
    }
    fund_summaries(play, &oracle).await
}

async fn fund_summaries(play: &Play<'_>, oracle: &Oracle) -> Result<(), Finding> {
    for fund_id in oracle.truth().funds.keys() {
        for question in oracle.fund_summaries(*fund_id, &dates()) {
            assert_answer(play, &play.day().cold, &question).await?;
        }
    }
    Ok(())
}

/// One of the questions about an LP, with the cache, now.
pub async fn question(play: &Play<'_>, lp: usize, position: usize) -> Result<(), Finding> {
    let oracle = oracle(play).await;
    let lp = &oracle.truth().lps[&play.world.lp_ids[lp]];
    let scopes = scopes(lp);
    // Working out what is not asked would take most of the time.
    let questions = match position % 3 {
        0 => oracle.positions(lp, &dates()),
        1 => lists(&oracle, lp),
        _ => histories(&oracle, lp, scopes[position / 3 % scopes.len()]),
    };
    let question = &questions[position / 3 % questions.len()];
    assert_answer(play, &play.day().warm, question)
        .await
        .map_err(|finding| format!("in between: {finding}"))
}

/// What recording and settling made bit by bit is what a rebuild makes of the truth, and nothing is owed.
pub async fn rebuilding(play: &Play<'_>) -> Result<(), Finding> {
    let sql =
        "select count(*) from pending_performance where lp_id = any ($1) or fund_id = any ($2)";
    let client = &play.crew.desk.client;
    let owed = client
        .query_one(sql, &[&play.world.lp_ids, &play.world.fund_ids])
        .await;
    let owed: i64 = owed.expect("the list of what is owed").get(0);
    if owed > 0 {
        return Err(format!("{owed} rows of performance are still owed"));
    }
    let before = derived(play).await;
    for fund_id in &play.world.fund_ids {
        play.rebuild(*fund_id).await?;
    }
    let after = derived(play).await;
    let differing: Vec<&String> = before.symmetric_difference(&after).take(TOLD).collect();
    if differing.is_empty() {
        Ok(())
    } else {
        Err(format!("a rebuild makes something else: {differing:#?}"))
    }
}

/// The views are what their definitions say.
pub async fn drift(play: &Play<'_>) -> Result<(), Finding> {
    let night = &play.day().night;
    match count_drift(&night.db, night.clock).await {
        Ok(0) => Ok(()),
        Ok(rows) => Err(format!("{rows} rows of the views have drifted")),
        Err(error) => Err(format!("the views cannot be compared: {}", error.chain())),
    }
}

async fn derived(play: &Play<'_>) -> BTreeSet<String> {
    tests::derived::derived(&play.crew.desk.client, extent(play)).await
}

async fn oracle(play: &Play<'_>) -> Oracle {
    let truth = read_truth_of(&play.crew.desk.client, extent(play)).await;
    Oracle::new(truth.expect("the truth is readable"), play.day().today)
}

fn extent<'a>(play: &'a Play<'_>) -> Extent<'a> {
    Extent {
        lp_ids: Some(&play.world.lp_ids),
        fund_ids: Some(&play.world.fund_ids),
    }
}

/// Today, and some days before it.
fn dates() -> Vec<Option<NaiveDate>> {
    let past = PAST_DATES.iter().map(|position| Some(date(*position)));
    [None].into_iter().chain(past).collect()
}

/// Everything that can be asked about an LP.
fn of_lp(oracle: &Oracle, lp: &Lp) -> Vec<Question> {
    let mut questions = oracle.positions(lp, &dates());
    questions.extend(lists(oracle, lp));
    for scope in scopes(lp) {
        questions.extend(histories(oracle, lp, scope));
    }
    questions
}

/// In pages so small that there are several.
fn lists(oracle: &Oracle, lp: &Lp) -> Vec<Question> {
    oracle.lists(lp, 7, [date(PAST_DATES[0])])
}

fn histories(oracle: &Oracle, lp: &Lp, scope: Scope) -> Vec<Question> {
    let [earlier, later] = PAST_DATES.map(|position| Some(date(position)));
    let asked: &[(&str, Range)] = match scope {
        Scope::Lp => &[("monthly", (None, None)), ("yearly", (None, later))],
        Scope::Fund(_) => &[("quarterly", (None, None))],
        Scope::Commitment(_) => &[("monthly", (earlier, None))],
    };
    oracle.histories(lp.lp_id, scope, asked)
}

async fn assert_answer(play: &Play<'_>, app: &App, question: &Question) -> Result<(), Finding> {
    let (status, got) = ask(app, &play.world.name, &question.path).await;
    play.asked.set(play.asked.get() + 1);
    let differing = match (&question.answer, status) {
        (Some(expected), 200) => differences(expected, &got),
        (None, 404) => Vec::new(),
        (expected, _) => {
            let expected = expected.as_ref().map_or("404", |_| "an answer");
            vec![format!("expected {expected}, got {status} {got}")]
        }
    };
    if differing.is_empty() {
        return Ok(());
    }
    let told: Vec<&str> = differing.iter().take(TOLD).map(String::as_str).collect();
    Err(format!("{}: {}", question.path, told.join("; ")))
}

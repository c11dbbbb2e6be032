//! A fund's summary: every figure against an independent computation from the raw entries, wherever it is read from, and for its GP
//! alone.

use lambda_http::{Body, Response};
use serde_json::{Value, json};
use shared::app::App;
use tests::builders::{activity_message, grant, grant_fund, insert_fund};
use tests::contract::assert_matches_contract;
use tests::http::{header, json_of, request};
use tests::oracle::compare::differences;
use tests::reporting::{Reporting, date, today};

/// Before everything, before any NAV, between NAVs, when only a part has begun, and lately.
const DATES: [&str; 6] = [
    "2019-06-30",
    "2020-02-09",
    "2020-08-15",
    "2022-05-20",
    "2023-12-01",
    "2025-03-01",
];

/// The awkward world, each of whose funds has `gp` for its GP.
async fn world() -> Reporting {
    let world = Reporting::settled().await;
    for fund_id in funds(&world) {
        grant_fund(&world.desk.client, "gp", fund_id).await;
    }
    world
}

fn funds(world: &Reporting) -> [i64; 3] {
    [world.single_fund, world.double_fund, world.unreported_fund].map(|fund_id| fund_id.get())
}

async fn ask(app: &App, subject: &str, fund_id: i64, query: &str) -> Response<Body> {
    let path = format!("/api/fund/{fund_id}/summary{query}");
    let response = fund_summary::handle(app, request(&path, Some(subject), &[])).await;
    let (status, body) = (response.status().as_u16(), json_of(&response));
    assert_matches_contract(&path, status, response.headers(), &body);
    response
}

/// Compares every fund on every date with the oracle.
async fn assert_right(world: &Reporting, state: &str) {
    let oracle = world.oracle().await;
    for fund_id in funds(world) {
        for as_of in DATES.map(date).into_iter().chain([today()]) {
            let query = format!("?asOf={as_of}");
            let got = json_of(&ask(&world.desk.reader, "gp", fund_id, &query).await);
            let expected = oracle.fund_summary(fund_id, as_of).expect("a fund");
            let found = differences(&expected, &got);
            assert!(
                found.is_empty(),
                "{state}, {fund_id} as of {as_of}: {found:#?}"
            );
        }
    }
}

#[tokio::test]
async fn a_funds_figures_are_right_from_marked_rows_from_the_view_and_without_it() {
    let world = world().await;
    assert_right(&world, "marked").await;
    world.refresh().await;
    let desk = &world.desk;
    desk.run("delete from touched_commitments").await;
    assert_right(&world, "from the view").await;
    let call = activity_message(world.commitment_id, "capital_call", 1_234_567, "2025-02-01");
    desk.record(&[&call]).await;
    assert_right(&world, "right at once").await;
    desk.run("drop materialized view fund_lp_summary cascade")
        .await;
    assert_right(&world, "without the view").await;
}

/// What the view says is told: a figure put there by hand comes back until the fund bears a mark.
#[tokio::test]
async fn the_view_answers_while_nothing_of_the_fund_has_changed() {
    let world = world().await;
    world.refresh().await;
    let desk = &world.desk;
    desk.run(
        "delete from touched_commitments;
         drop materialized view fund_lp_summary cascade;
         create materialized view fund_lp_summary as
            select fund_id, currency, lp_count, commitment_count, commitment_cents, 7::bigint as paid_in_cents, distributed_cents,
                   unfunded_cents, nav_cents, nav_at_cost, nav_as_of_date
            from fund_lp_summary_definition;
         select create_missing_views()",
    )
    .await;
    let paid_in = async || {
        let answer = ask(&desk.reader, "gp", world.single_fund.get(), "").await;
        json_of(&answer)["paidInCents"].clone()
    };
    assert_eq!(paid_in().await, 7);
    let call = activity_message(world.commitment_id, "capital_call", 100, "2025-02-01");
    desk.record(&[&call]).await;
    assert!(paid_in().await.as_i64() > Some(1_000_000));
}

#[tokio::test]
async fn a_fund_to_which_nobody_has_committed_has_nothing_paid_in() {
    let world = world().await;
    let fund_id = insert_fund(&world.desk.client, "Birch Ventures I", "USD").await;
    grant_fund(&world.desk.client, "gp", fund_id).await;
    let answer = json_of(&ask(&world.desk.reader, "gp", fund_id, "").await);
    assert_eq!(
        answer,
        json!({"fundId": fund_id, "fundName": "Birch Ventures I", "vintageYear": 2020, "currency": "USD", "asOf": today(),
            "lpCount": 0, "commitmentCents": 0, "paidInCents": 0, "distributedCents": 0, "navCents": 0,
            "dpi": null, "tvpi": null, "flags": ["ZERO_PAID_IN"]})
    );
}

#[tokio::test]
async fn a_fund_is_there_for_its_own_gp_alone_and_a_gp_sees_no_lp() {
    let world = world().await;
    let (client, reader) = (&world.desk.client, &world.desk.reader);
    let (mine, anothers) = (world.single_fund.get(), world.double_fund.get());
    let lp_id = world.lp_id.get();
    grant_fund(client, "own", mine).await;
    grant(client, "viewer", lp_id).await;
    let restricted = format!(
        "insert into lp_access (subject, lp_id, fund_id) values ('restricted', {lp_id}, {mine});
         insert into lp_access (subject, fund_id, role, valid_from, valid_to)
            values ('past', {mine}, 'gp', now() - interval '2 days', now() - interval '1 day'),
                   ('future', {mine}, 'gp', now() + interval '1 day', null);
         insert into lp_access (subject, fund_id, role, revoked_by, revoked_at) values ('revoked', {mine}, 'gp', 'ada', now())"
    );
    world.desk.run(&restricted).await;
    assert_eq!(ask(reader, "own", mine, "").await.status(), 200);
    let nowhere = ask(reader, "own", 999_999, "").await;
    assert_eq!(nowhere.status(), 404);
    for (subject, fund_id) in [
        ("own", anothers),
        ("viewer", mine),
        ("restricted", mine),
        ("past", mine),
        ("future", mine),
        ("revoked", mine),
        ("nobody", mine),
    ] {
        let refused = ask(reader, subject, fund_id, "").await;
        assert_eq!(refused.status(), 404, "{subject}");
        assert_eq!(refused.headers(), nowhere.headers(), "{subject}");
        assert_eq!(
            refused.body().as_ref(),
            nowhere.body().as_ref(),
            "{subject}"
        );
    }
    let of_lp = request(&format!("/api/lp/{lp_id}/summary"), Some("own"), &[]);
    assert_eq!(summary::handle(reader, of_lp).await.status(), 404);
}

#[tokio::test]
async fn a_fund_summary_is_never_cached_and_has_an_etag_like_every_answer() {
    let world = world().await;
    let (reader, fund_id) = (&world.desk.reader, world.single_fund.get());
    let (first, second) = (
        ask(reader, "gp", fund_id, "").await,
        ask(reader, "gp", fund_id, "").await,
    );
    for answer in [&first, &second] {
        assert_eq!(header(answer, "x-cache"), "bypass");
    }
    assert_eq!(world.desk.keyspace.keys().await, [""; 0]);
    let etag = header(&first, "etag");
    assert_eq!(etag, header(&second, "etag"));
    let path = format!("/api/fund/{fund_id}/summary");
    let same = request(&path, Some("gp"), &[("if-none-match", etag)]);
    assert_eq!(fund_summary::handle(reader, same).await.status(), 304);
    let wrong = ask(reader, "gp", fund_id, "?asOf=2999-01-01&limit=1").await;
    assert_eq!(wrong.status(), 400);
    let errors = &json_of(&wrong)["errors"];
    let named: Vec<&Value> = errors
        .as_array()
        .expect("errors")
        .iter()
        .map(|error| &error["parameter"])
        .collect();
    assert_eq!(named, ["asOf", "limit"]);
}

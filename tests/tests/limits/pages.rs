//! The largest pages: an answer has to fit into what the platform passes on.

use lambda_http::{Body, Response};
use serde_json::{Value, json};
use tests::builders::activity_message;
use tests::http::{json_of, request};
use tests::office::Office;

use crate::asking::{SUBJECT, assert_right, grant_all, oracle};

/// What Lambda takes of a function's response: 6 MB by its quotas, here with room for the headers.
const LARGEST_RESPONSE: usize = 6_000_000;
const ENTRIES: usize = 1_000;
/// What takes most as JSON, what takes most as JSON in JSON, what takes most as text, and what is like nothing else.
const FILLINGS: [&str; 4] = ["\u{1}", "\"", "\u{1f4b6}", "\\"];

/// An entry with all the text that it may have.
fn wordy(commitment_id: i64, n: usize) -> Value {
    let filling = FILLINGS[n % FILLINGS.len()];
    let mut call = activity_message(commitment_id, "capital_call", 100, "2021-03-01");
    call["description"] = json!(filling.repeat(1_000));
    call["referenceNumber"] = json!(filling.repeat(200));
    call["components"] = json!({"investments": 99, "management_fee": 1});
    call["metadata"] = json!({"n": n, "text": "\"".repeat(2_030)});
    call
}

/// The response as the runtime sends it: the body as text in JSON, or in base 64.
fn sent_bytes(response: &Response<Body>) -> usize {
    match response.body() {
        Body::Text(text) => json!(text).to_string().len(),
        Body::Binary(bytes) => bytes.len().div_ceil(3) * 4,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_page_of_entries_with_all_their_text_fits_and_no_entry_is_left_out() {
    let office = Office::open().await;
    let (desk, world) = (&office.desk, office.world);
    let bodies: Vec<String> = (0..ENTRIES)
        .map(|n| wordy(world.commitment_id, n).to_string())
        .collect();
    for batch in bodies.chunks(250) {
        assert_eq!(office.deliver(batch, 1).await, [0_usize; 0]);
    }
    assert_eq!(office.dead_letters().await, []);
    grant_all(desk, &[world.lp_id], &[world.fund_id]).await;
    let path = format!("/api/lp/{}/capital-activity?limit=1000", world.lp_id);
    let (mut next, mut pages, mut largest, mut items) = (path.clone(), 0, 0, 0);
    loop {
        let request = request(&next, Some(SUBJECT), &[]);
        let page = capital_activity::handle(&desk.reader, request).await;
        assert_eq!(page.status(), 200);
        largest = largest.max(sent_bytes(&page));
        let body = json_of(&page);
        (pages, items) = (
            pages + 1,
            items + body["items"].as_array().map_or(0, Vec::len),
        );
        match body["nextCursor"].as_str() {
            Some(cursor) => next = format!("{path}&cursor={cursor}"),
            None => break,
        }
    }
    println!("{items} entries in {pages} pages, the largest of {largest} bytes");
    assert!(largest <= LARGEST_RESPONSE, "{largest} bytes");
    assert_eq!(items, ENTRIES);
    let oracle = oracle(desk, &[world.lp_id], &[world.fund_id]).await;
    let lists = oracle.lists(&oracle.truth().lps[&world.lp_id], 1_000, None);
    assert_right(desk, &lists).await;
}

/// With little to say, the limit is what ends a page.
#[tokio::test]
async fn a_page_of_ordinary_entries_is_as_long_as_was_asked_for() {
    let office = Office::open().await;
    let (desk, world) = (&office.desk, office.world);
    let bodies: Vec<String> = (0..1_001)
        .map(|n| {
            let mut call = activity_message(world.commitment_id, "capital_call", 100, "2021-03-01");
            call["description"] = json!(format!(
                "Capital call {n}: follow-on investment and management fee"
            ));
            call["metadata"] = json!({"noticeDate": "2021-02-15", "wire": "same-day", "n": n});
            call.to_string()
        })
        .collect();
    assert_eq!(office.deliver(&bodies, 1).await, [0_usize; 0]);
    grant_all(desk, &[world.lp_id], &[world.fund_id]).await;
    let path = format!("/api/lp/{}/capital-activity?limit=1000", world.lp_id);
    let page = capital_activity::handle(&desk.reader, request(&path, Some(SUBJECT), &[])).await;
    println!(
        "a thousand ordinary entries take {} bytes",
        sent_bytes(&page)
    );
    assert_eq!(
        json_of(&page)["items"].as_array().map_or(0, Vec::len),
        1_000
    );
}

//! Names in the database, subjects of tokens and parameters of every kind of text.

use tests::asking::get;
use tests::builders::{grant, insert_commitment, insert_fund, insert_lp};
use tests::http::json_of;
use tests::office::Office;

use crate::asking::{SUBJECT, assert_all_right, grant_all};
use crate::texts::{KINDS, encoded, text_of};

#[tokio::test]
async fn names_and_subjects_of_every_kind_are_answered_as_they_stand_there() {
    let office = Office::open().await;
    let desk = &office.desk;
    let (mut lp_ids, mut fund_ids) = (Vec::new(), Vec::new());
    for kind in KINDS {
        let lp_id = insert_lp(&desk.client, &text_of(kind, 200)).await;
        let fund_id = insert_fund(&desk.client, &text_of(kind, 200), "USD").await;
        insert_commitment(&desk.client, lp_id, fund_id, 100_000, "2020-01-01").await;
        let company = "with company as (insert into portfolio_companies (name, sector, stage) values ($2, $3, $3) returning company_id)
            insert into fund_investments (fund_id, company_id, investment_date) select $1, company_id, '2021-02-01' from company";
        let (name, sector) = (text_of(kind, 200), text_of(kind, 100));
        let inserted = desk
            .client
            .execute(company, &[&fund_id, &name, &sector])
            .await;
        inserted.expect("a company is inserted");
        lp_ids.push(lp_id);
        fund_ids.push(fund_id);
    }
    desk.settle_owed().await;
    let answers = assert_all_right(desk, &lp_ids, &fund_ids).await;
    let path = format!("/api/lp/{}/summary", lp_ids[0]);
    for kind in KINDS {
        let subject = text_of(kind, 255);
        assert_eq!(get(&desk.reader, &subject, &path).await.status(), 404);
        let other = insert_lp(&desk.client, "Somebody").await;
        grant(&desk.client, &subject, other).await;
        let path = format!("/api/lp/{other}/summary");
        assert_eq!(get(&desk.reader, &subject, &path).await.status(), 200);
        assert_eq!(
            get(&desk.reader, &text_of(kind, 256), &path).await.status(),
            401
        );
    }
    for subject in ["", "a\0b", "a\nb"] {
        assert_eq!(get(&desk.reader, subject, &path).await.status(), 401);
    }
    println!(
        "{answers} answers with names of every kind, {} subjects",
        KINDS.len()
    );
}

#[tokio::test]
async fn a_parameter_of_any_text_is_refused_by_name_and_answered_in_ascii() {
    let office = Office::open().await;
    let desk = &office.desk;
    grant_all(desk, &[office.world.lp_id], &[]).await;
    let mut refused = 0;
    for kind in KINDS.iter().chain(&["\0", "\u{1}", "\u{663}"]) {
        for name in [
            "fundIds",
            "types",
            "limit",
            "cursor",
            "startDate",
            "endDate",
            "metadata",
        ] {
            let path = format!(
                "/api/lp/{}/capital-activity?{name}={}",
                office.world.lp_id,
                encoded(kind)
            );
            let response = get(&desk.reader, SUBJECT, &path).await;
            assert_eq!(response.status(), 400, "{path}");
            let body = json_of(&response);
            assert_eq!(body["errors"][0]["parameter"], name);
            assert!(body.to_string().is_ascii(), "{body}");
            refused += 1;
        }
        let path = format!("/api/lp/{}/summary?{}=1", office.world.lp_id, encoded(kind));
        assert_eq!(get(&desk.reader, SUBJECT, &path).await.status(), 400);
    }
    println!("{refused} parameters refused by name");
}

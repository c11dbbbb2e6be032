//! What a deployment hears of its migrations: `migrate` is asked as CloudFormation asks, and tells the address that it is given.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use local::servers::postgres::Role;
use serde_json::{Value, json};
use tests::database::Database;
use tests::platform::Process;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

const ADDRESS: &str = "/arn%3Aaws%3Acloudformation/stack?X-Amz-Signature=a%2Fb";

/// What was put at the address.
struct Told {
    address: String,
    content_type: Option<String>,
    answer: Value,
}

/// Where CloudFormation waits. It refuses as often as it is told to.
struct CloudFormation {
    url: String,
    told: mpsc::Receiver<Told>,
    server: JoinHandle<()>,
}

impl CloudFormation {
    async fn refusing(refusals: usize) -> Self {
        let (tell, told) = mpsc::channel(1);
        let refusals = Arc::new(AtomicUsize::new(refusals));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let router = Router::new().fallback(put).with_state((tell, refusals));
        let server = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("it serves");
        });
        Self {
            url: format!("http://{address}{ADDRESS}"),
            told,
            server,
        }
    }

    fn event(&self, request_type: &str) -> Value {
        json!({
            "RequestType": request_type, "ResponseURL": self.url, "StackId": "arn:stack", "RequestId": "request-1",
            "ResourceType": "Custom::Migrations", "LogicalResourceId": "Migrations",
            "ResourceProperties": {"ServiceToken": "arn:function", "Version": "arn:function:7"},
        })
    }

    /// Asks a function, and returns what came at the address.
    async fn ask(&mut self, migrate: &mut Process, request_type: &str) -> Told {
        let event = self.event(request_type);
        let (answer, told) = tokio::join!(migrate.answer(request_type, &event), self.told.recv());
        let told = told.expect("it is told");
        assert_eq!(told.answer, answer, "whoever invokes it is told the same");
        migrate.goes_on().await;
        told
    }
}

impl Drop for CloudFormation {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn put(
    State((tell, refusals)): State<(mpsc::Sender<Told>, Arc<AtomicUsize>)>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let content_type = headers.get("content-type");
    let told = Told {
        address: uri.to_string(),
        content_type: content_type.map(|value| format!("{value:?}")),
        answer: serde_json::from_slice(&body).expect("it is told JSON"),
    };
    let _ = tell.send(told).await;
    let left = refusals.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
        left.checked_sub(1)
    });
    match left {
        Ok(_) => StatusCode::SERVICE_UNAVAILABLE,
        Err(_) => StatusCode::OK,
    }
}

async fn migrate(database: &Database) -> Process {
    let variables = [
        ("DATABASE_URL", database.url(Role::Migrator)),
        (
            "ADMINISTRATOR_DATABASE_URL",
            database.url(Role::Administrator),
        ),
    ];
    let variables: Vec<_> = variables
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    Process::start("migrate", &variables).await
}

fn reason(told: &Told) -> &str {
    told.answer["Reason"].as_str().expect("a reason")
}

#[tokio::test]
async fn a_deployment_is_told_what_was_applied_at_its_own_address() {
    let database = Database::blank().await;
    let mut migrate = migrate(&database).await;
    let mut cloud_formation = CloudFormation::refusing(0).await;
    let told = cloud_formation.ask(&mut migrate, "Create").await;
    assert_eq!(
        (told.address.as_str(), told.content_type.as_deref()),
        (ADDRESS, None)
    );
    for (name, expected) in [
        ("Status", "SUCCESS"),
        ("StackId", "arn:stack"),
        ("RequestId", "request-1"),
        ("LogicalResourceId", "Migrations"),
        ("PhysicalResourceId", "lp-reporting-schema"),
    ] {
        assert_eq!(told.answer[name], expected, "{name}");
    }
    assert!(
        reason(&told).contains("001_lp_reporting_schema"),
        "{}",
        reason(&told)
    );
    let client = database.connect().await;
    let sql =
        "select count(*) from pg_extension where extname in ('pg_stat_statements', 'pgstattuple')";
    let row = client.query_one(sql, &[]).await;
    assert_eq!(
        row.expect("the catalogue answers").get::<_, i64>(0),
        2,
        "the administrator's part"
    );
    let told = cloud_formation.ask(&mut migrate, "Update").await;
    assert_eq!(told.answer["Status"], "SUCCESS");
    assert_eq!(reason(&told), "applied: []");
}

#[tokio::test]
async fn a_migration_that_fails_fails_the_deployment() {
    // What the first migration makes is there already.
    let database = Database::empty().await;
    let mut migrate = migrate(&database).await;
    let told = CloudFormation::refusing(0)
        .await
        .ask(&mut migrate, "Create")
        .await;
    assert_eq!(told.answer["Status"], "FAILED");
    assert!(
        reason(&told).contains("already exists"),
        "{}",
        reason(&told)
    );
}

#[tokio::test]
async fn what_is_deleted_with_a_stack_is_no_data() {
    let database = Database::blank().await;
    let mut migrate = migrate(&database).await;
    let mut cloud_formation = CloudFormation::refusing(0).await;
    cloud_formation.ask(&mut migrate, "Create").await;
    let told = cloud_formation.ask(&mut migrate, "Delete").await;
    assert_eq!(told.answer["Status"], "SUCCESS");
    let client = database.connect().await;
    let counted = client
        .query_one("select count(*) from limited_partners", &[])
        .await;
    counted.expect("the table is there");
}

#[tokio::test]
async fn former_code_leaves_a_newer_schema_as_it_is() {
    let database = Database::blank().await;
    let mut migrate = migrate(&database).await;
    let mut cloud_formation = CloudFormation::refusing(0).await;
    cloud_formation.ask(&mut migrate, "Create").await;
    let client = database.connect().await;
    let newer =
        "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
                 values (999, 'newer', true, 'x', 0)";
    let added = client.execute(newer, &[]).await;
    added.expect("a migration of the future is noted");
    let told = cloud_formation.ask(&mut migrate, "Update").await;
    assert_eq!(told.answer["Status"], "SUCCESS", "{}", reason(&told));
}

#[tokio::test]
async fn an_address_that_refuses_is_tried_again() {
    let database = Database::blank().await;
    let mut migrate = migrate(&database).await;
    let mut cloud_formation = CloudFormation::refusing(1).await;
    let event = cloud_formation.event("Delete");
    let tells = async {
        let refused = cloud_formation.told.recv().await.expect("it is told");
        let taken = cloud_formation.told.recv().await.expect("it is told again");
        (refused.answer, taken.answer)
    };
    let (answer, (refused, taken)) = tokio::join!(migrate.answer("refused-once", &event), tells);
    assert_eq!((&refused, &taken), (&answer, &answer));
}

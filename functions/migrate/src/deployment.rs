//! A deployment asks for the migrations as a custom resource: CloudFormation calls the function, and waits until the outcome is put
//! at an address that the event names. Whatever happens, it has to be told, or it waits for as long as it may.

use std::time::{Duration, SystemTime};

use http_body_util::Full;
use hyper::Request as HttpRequest;
use hyper::body::Bytes;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use lambda_runtime::Error;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::{sleep, timeout};

use crate::{Done, Target};

/// What is kept of the function's time for telling the outcome: all tries and the pauses in between.
const MARGIN: Duration = Duration::from_secs(30);
const TRIES: u32 = 3;
const TRY_LIMIT: Duration = Duration::from_secs(8);
const PAUSE: Duration = Duration::from_secs(1);
/// CloudFormation takes an answer of 4,096 bytes.
const LONGEST_REASON_CHARS: usize = 800;
/// One and the same for good: another would have CloudFormation delete the former.
const SCHEMA: &str = "lp-reporting-schema";

/// What CloudFormation asks.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Request {
    request_type: String,
    #[serde(rename = "ResponseURL")]
    response_url: String,
    stack_id: String,
    request_id: String,
    logical_resource_id: String,
}

/// What it is told.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Response<'a> {
    status: &'static str,
    reason: String,
    physical_resource_id: &'static str,
    stack_id: &'a str,
    request_id: &'a str,
    logical_resource_id: &'a str,
}

impl Request {
    /// Reads an event; `None` when it is not CloudFormation's.
    pub(crate) fn read(event: &Value) -> Result<Option<Self>, Error> {
        let is_asked = event.get("ResponseURL").is_some();
        Ok(is_asked.then(|| Self::deserialize(event)).transpose()?)
    }

    fn response(&self, outcome: Result<Done, Error>) -> Response<'_> {
        let (status, reason) = match outcome {
            Ok(done) => ("SUCCESS", format!("applied: {:?}", done.applied)),
            Err(error) => ("FAILED", error.to_string()),
        };
        Response {
            status,
            reason: reason.chars().take(LONGEST_REASON_CHARS).collect(),
            physical_resource_id: SCHEMA,
            stack_id: &self.stack_id,
            request_id: &self.request_id,
            logical_resource_id: &self.logical_resource_id,
        }
    }
}

/// Migrates, and tells CloudFormation what came of it. Fails only if that cannot be told.
pub(crate) async fn answer<'a>(
    target: &Target,
    request: &'a Request,
    deadline: SystemTime,
) -> Result<Response<'a>, Error> {
    let outcome = work(target, request, deadline).await;
    if let Err(error) = &outcome {
        tracing::error!(%error, "the deployment's migrations failed");
    }
    let response = request.response(outcome);
    tell(&request.response_url, &serde_json::to_vec(&response)?).await?;
    Ok(response)
}

async fn work(target: &Target, request: &Request, deadline: SystemTime) -> Result<Done, Error> {
    // What a deployment takes away is its wish for the schema: the data stay.
    if request.request_type == "Delete" {
        return Ok(Done::default());
    }
    let left = deadline.duration_since(SystemTime::now());
    let left = left.unwrap_or_default().saturating_sub(MARGIN);
    timeout(left, target.migrate())
        .await
        .map_err(|_elapsed| format!("the migrations took longer than {left:?}"))?
}

/// Puts the answer at the address, in a few tries.
async fn tell(address: &str, answer: &[u8]) -> Result<(), Error> {
    let client = client()?;
    let mut tries = 1;
    loop {
        let told = timeout(TRY_LIMIT, put(&client, address, answer)).await;
        match told.unwrap_or_else(|_elapsed| Err(format!("no answer in {TRY_LIMIT:?}").into())) {
            Ok(()) => return Ok(()),
            Err(error) if tries == TRIES => {
                return Err(format!("CloudFormation could not be told: {error}").into());
            }
            Err(error) => tracing::warn!(%error, "CloudFormation could not be told yet"),
        }
        tries += 1;
        sleep(PAUSE).await;
    }
}

type HttpClient = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

fn client() -> Result<HttpClient, Error> {
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let connector = HttpsConnectorBuilder::new()
        .with_provider_and_webpki_roots(provider)?
        .https_or_http()
        .enable_http1()
        .build();
    Ok(Client::builder(TokioExecutor::new()).build(connector))
}

/// The address is signed for a body of no type, so none is named.
async fn put(client: &HttpClient, address: &str, answer: &[u8]) -> Result<(), Error> {
    let body = Full::new(Bytes::copy_from_slice(answer));
    let response = client
        .request(HttpRequest::put(address).body(body)?)
        .await?;
    let status = response.status();
    if status.is_success() {
        Ok(())
    } else {
        Err(format!("its address answers {status}").into())
    }
}

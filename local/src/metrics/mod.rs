//! The figures of a running stack, as Prometheus reads them and under the names that CloudWatch has: what the functions tell in
//! their logs, and what the platform's own services would tell of the queues and the gateway.
//!
//! Nothing is gathered ahead: each look reads the logs on from where the last one came to. What it keeps of them is bounded.

mod emf;
mod in_hand;
mod logs;
mod page;
mod series;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use chrono::{DateTime, TimeDelta, Utc};

use crate::process::ProcessDirectory;
use crate::queue::SqsQueue;

pub use in_hand::InHand;
use logs::Logs;
use page::Page;
pub use series::GAUGES;
use series::Series;

/// What the gateway has answered.
#[derive(Debug, Default)]
pub struct GatewayCounts {
    all: AtomicU64,
    server_errors: AtomicU64,
}

impl GatewayCounts {
    /// Counts an answer.
    pub fn add(&self, status: StatusCode) {
        self.all.fetch_add(1, Ordering::Relaxed);
        let is_error = status.is_server_error();
        self.server_errors
            .fetch_add(is_error.into(), Ordering::Relaxed);
    }
}

/// Where the figures of a stack are found.
#[derive(Debug)]
pub struct Figures {
    told: Mutex<(Logs, Series)>,
    /// What the gateway counts.
    pub gateway: Arc<GatewayCounts>,
    /// The messages that the pollers hold, by the queue that they come from.
    pub in_hand: BTreeMap<String, InHand>,
    /// Every queue.
    pub queues: BTreeMap<String, SqsQueue>,
    /// By how much the stack's clock is shifted.
    pub clock_offset: TimeDelta,
}

impl Figures {
    /// Those of a stack that is about to start: what is in its logs already is an earlier stack's.
    pub fn starting(processes: &ProcessDirectory) -> Result<Self> {
        Ok(Self {
            told: Mutex::new((Logs::from_now_on(processes.logs())?, Series::default())),
            gateway: Arc::default(),
            in_hand: BTreeMap::new(),
            queues: BTreeMap::new(),
            clock_offset: TimeDelta::zero(),
        })
    }

    /// All of them, in Prometheus' text format.
    pub async fn page(self: &Arc<Self>) -> Result<String> {
        let figures = Arc::clone(self);
        let told = tokio::task::spawn_blocking(move || figures.told_page());
        let mut page = told.await??;
        self.add_gateway(&mut page);
        self.add_queues(&mut page).await?;
        Ok(page.text())
    }

    fn told_page(&self) -> Result<Page> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let (logs, series) = &mut *told;
        logs.read_on(|line| emf::read(line, series))?;
        let mut page = Page::default();
        series.write(&mut page, Utc::now());
        Ok(page)
    }

    fn add_gateway(&self, page: &mut Page) {
        let GatewayCounts { all, server_errors } = &*self.gateway;
        for (name, count) in [
            ("aws_apigateway_count_total", all),
            ("aws_apigateway_5xx_total", server_errors),
        ] {
            page.family(name, "counter");
            page.sample(name, &[], count.load(Ordering::Relaxed) as f64);
        }
    }

    async fn add_queues(&self, page: &mut Page) -> Result<()> {
        const VISIBLE: &str = "aws_sqs_approximate_number_of_messages_visible";
        const AGE: &str = "aws_sqs_approximate_age_of_oldest_message_seconds";
        let now: DateTime<Utc> = Utc::now() + self.clock_offset;
        let mut ages = Vec::new();
        page.family(VISIBLE, "gauge");
        for (id, queue) in &self.queues {
            let depth = queue.depth().await?;
            page.sample(VISIBLE, &[("queue", id)], depth.visible as f64);
            if let Some(in_hand) = self.in_hand.get(id) {
                ages.push((id, in_hand.age_of_oldest(now, depth.all == 0)));
            }
        }
        page.family(AGE, "gauge");
        for (id, age) in ages {
            page.sample(AGE, &[("queue", id)], age.as_seconds_f64());
        }
        Ok(())
    }
}

/// Where the page is.
pub const PATH: &str = "/metrics";

/// Serves the page.
pub fn router(figures: Arc<Figures>) -> Router {
    Router::new().route(PATH, get(show)).with_state(figures)
}

async fn show(State(figures): State<Arc<Figures>>) -> Response {
    match figures.page().await {
        Ok(text) => {
            let kind = (header::CONTENT_TYPE, "text/plain; version=0.0.4");
            ([kind], text).into_response()
        }
        Err(failure) => (StatusCode::SERVICE_UNAVAILABLE, format!("{failure:#}\n")).into_response(),
    }
}

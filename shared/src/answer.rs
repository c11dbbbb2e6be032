//! How a report is answered, the same way for every one: parse, look in the cache, else ask the database, plant the finished answer,
//! note who looked, respond. Who may see it is known, or asked first; where the cache has no part, both are asked in one round trip.

use std::time::Duration;

use chrono::{DateTime, Utc};
use lambda_http::{Body, Request, Response};
use serde::Serialize;
use tokio::time::Instant;
use tracing::Instrument;

use crate::access::{Claim, Scope, Scoped, load_grant};
use crate::access_log::{Look, Outcome};
use crate::app::App;
use crate::cache::{Finding, Place, ReportName, Turn};
use crate::db::{Connection, Read};
use crate::error::Error;
use crate::grant::Grant;
use crate::http::{self, Content, Origin, Parameters, Problem, Refused};
use crate::metrics::{
    ANSWER_DURATION, BREAKER_OPEN, CACHE, CACHE_HITS, CACHE_LOOKUPS, FUNCTION, Metrics, ROUTE,
    SERVER_ERRORS, Waits, in_milliseconds, measure_waits,
};

/// What a function answers with: parsed parameters that know how to load their answer.
pub trait Report: Send + Sync {
    /// The function that answers it.
    const NAME: &'static str;
    /// The answer, whose JSON is the contract.
    type Answer: Serialize + Send;

    /// What the question is about: whoever asks it has to have been granted as much, and its queries see no more. A question
    /// that names no fund is about the whole LP.
    fn scope(&self) -> Scope;

    /// What the answer is cached under, in its LP's slot; `None` is not cached. The name decides what makes the answer stale. The
    /// fingerprint is every parameter but the LP, in one canonical form: the same for two requests only if they have the same
    /// answer; so the as-of date belongs in it even when the client gave none.
    fn cached_as(&self) -> Option<(ReportName, String)>;

    /// Loads the answer, scoped by the LP or the fund in SQL; `None` when what was asked for is not there. It runs before it is
    /// known whether the subject may see it, and may run twice. Where the subject may not, its queries find nothing.
    fn load(
        &self,
        db: &Scoped<'_>,
    ) -> impl Future<Output = Result<Option<Self::Answer>, Error>> + Send;

    /// The cursor of the page after this answer, for reports that come in pages.
    fn next_cursor(_answer: &Self::Answer) -> Option<&str> {
        None
    }
}

/// Answers a request. `names` are the query parameters that the report takes; `read` makes the report of them. What is logged
/// meanwhile bears the request's trace.
pub async fn answer<R: Report>(
    app: &App,
    request: Request,
    names: &[&str],
    read: impl FnOnce(&mut Parameters) -> Result<R, Refused> + Send,
) -> Response<Body> {
    let begun = Instant::now();
    let trace_id = http::trace_id(&request);
    // Of the highest level, so that no filter takes the trace from the lines that it lets pass.
    let span = tracing::error_span!("request", trace_id = trace_id.map(display));
    let answering = respond(app, &request, names, read).instrument(span);
    let ((response, origin), waits) = measure_waits(answering).await;
    let mut metrics = measured(R::NAME, &response, origin, begun.elapsed(), waits)
        .count(BREAKER_OPEN, app.cache.is_left_alone().into())
        .property("request_id", http::request_id(&request));
    if let Some(trace_id) = trace_id {
        metrics = metrics.property("trace_id", &trace_id.to_string());
    }
    app.metrics.keep(metrics);
    response
}

/// What is told of an answer, whatever it was.
fn measured(
    route: &str,
    response: &Response<Body>,
    origin: Option<Origin>,
    duration: Duration,
    waits: Waits,
) -> Metrics {
    let mut metrics = Metrics::new()
        .dimension(ROUTE, route)
        .dimension(FUNCTION, route)
        .dimension(CACHE, origin.map_or("", Origin::name))
        .milliseconds(ANSWER_DURATION, in_milliseconds(duration))
        .count(SERVER_ERRORS, response.status().is_server_error().into());
    if let Some(origin) = origin.filter(|origin| *origin != Origin::Uncached) {
        metrics = metrics
            .count(CACHE_LOOKUPS, 1)
            .count(CACHE_HITS, (origin == Origin::Hit).into());
    }
    metrics.waits(waits)
}

/// The response, and where the answer in it came from, if it has one.
async fn respond<R: Report>(
    app: &App,
    request: &Request,
    names: &[&str],
    read: impl FnOnce(&mut Parameters) -> Result<R, Refused> + Send,
) -> (Response<Body>, Option<Origin>) {
    // One instant for the whole request: its date is the as-of date, and an answer has only one.
    let now = app.clock.now();
    let answered = async {
        let subject = http::subject(request).ok_or(Problem::Unauthenticated)?;
        let report = http::parse(request, now.date_naive(), names, read)?;
        let accepts_gzip = http::accepts_gzip(request.headers());
        Question {
            app,
            report: &report,
            scope: report.scope(),
            subject,
            accepts_gzip,
            deadline: app.db.deadline(),
        }
        .answer(now)
        .await
    };
    let answered = answered.await;
    if let Some(outcome) = outcome_of(&answered) {
        app.access_log.note(look(request, R::NAME, outcome));
    }
    match answered {
        Ok((content, origin)) => (http::respond(request, content, origin), Some(origin)),
        Err(problem) => (problem.into_response(), None),
    }
}

/// What came of a look; nothing where there was none, because the request was not understood or could not be answered.
fn outcome_of<T>(answered: &Result<T, Problem>) -> Option<Outcome> {
    match answered {
        Ok(_) => Some(Outcome::Allowed),
        Err(Problem::NotFound) => Some(Outcome::NotFound),
        Err(Problem::Denied | Problem::Unauthenticated) => Some(Outcome::Denied),
        Err(Problem::InvalidParameters(_) | Problem::Failure(_)) => None,
    }
}

fn look(request: &Request, route: &'static str, outcome: Outcome) -> Look {
    Look {
        subject: http::subject(request).map(str::to_owned),
        lp_id: http::id_in_path(request, "lpId"),
        fund_id: http::id_in_path(request, "fundId"),
        route,
        outcome,
        request_id: http::request_id(request).to_owned(),
    }
}

/// A report, asked for by someone.
struct Question<'a, R> {
    app: &'a App,
    report: &'a R,
    scope: Scope,
    subject: &'a str,
    accepts_gzip: bool,
    /// By when the database has to have told all that is asked of it.
    deadline: Instant,
}

impl<R: Report> Question<'_, R> {
    async fn answer(&self, now: DateTime<Utc>) -> Result<(Content, Origin), Problem> {
        let (Some((name, fingerprint)), Scope::Lp(lp_id, funds)) =
            (self.report.cached_as(), &self.scope)
        else {
            return Ok((self.sent(self.load(false).await?), Origin::Uncached));
        };
        let cache = &self.app.cache;
        let place = cache.place(name, *lp_id, &fingerprint, self.subject, now);
        let mut finding = cache.find(&place, funds, Content::from_bytes).await;
        if let Finding::Unproven = finding {
            self.resolve_grant(&place).await?;
            finding = cache.find(&place, funds, Content::from_bytes).await;
        }
        match finding {
            Finding::Answer { answer } => {
                let content = if self.accepts_gzip {
                    Some(answer)
                } else {
                    answer.inflated()
                };
                let content = content
                    .ok_or_else(|| Error::Inconsistent("a cached body is not gzip".into()))?;
                Ok((content, Origin::Hit))
            }
            Finding::Absent { turn } if turn.cache_is_reachable() => {
                Ok((self.load_and_plant(&place, turn).await?, Origin::Miss))
            }
            // Out of reach, or it did not keep the grant: that is looked for once more, in the round trip of the answer.
            Finding::Absent { .. } | Finding::Unproven => {
                Ok((self.sent(self.load(false).await?), Origin::Bypass))
            }
        }
    }

    /// What the cache has may be looked at only by who may see it.
    async fn resolve_grant(&self, place: &Place) -> Result<(), Problem> {
        let read = GrantRead(self.claim());
        let grant = self.ask_database(&read).await?;
        let grant = grant.ok_or(Problem::Denied)?;
        self.app.cache.keep_grant(place, &grant).await;
        Ok(())
    }

    fn claim(&self) -> Claim<'_> {
        Claim {
            subject: self.subject,
            scope: &self.scope,
            ttl: self.app.access.ttl,
        }
    }

    /// Loads the answer and hands the turn back whatever came of it: others may be waiting.
    async fn load_and_plant(&self, place: &Place, turn: Turn) -> Result<Content, Problem> {
        let loaded = self.load(true).await;
        let compressed = loaded.as_ref().ok().map(Content::compressed);
        let planted = compressed.as_ref().map(Content::to_bytes);
        let cache = &self.app.cache;
        cache.settle(place, turn, planted.as_deref()).await;
        let plain = loaded?;
        Ok(compressed.filter(|_| self.accepts_gzip).unwrap_or(plain))
    }

    async fn load(&self, granted: bool) -> Result<Content, Problem> {
        let read = AnswerRead {
            question: self,
            granted,
        };
        let answer = self.ask_database(&read).await?;
        let answer = answer.ok_or(Problem::Denied)?;
        written::<R>(&answer.ok_or(Problem::NotFound)?)
    }

    async fn ask_database<W: Read>(&self, work: &W) -> Result<W::Output, Error> {
        let told = self.app.db.read(work, self.deadline).await?;
        self.app.access_log.database_answers();
        Ok(told)
    }

    fn sent(&self, plain: Content) -> Content {
        if self.accepts_gzip {
            plain.compressed()
        } else {
            plain
        }
    }
}

fn written<R: Report>(answer: &R::Answer) -> Result<Content, Problem> {
    let body = serde_json::to_vec(answer).map_err(Error::Json)?;
    Ok(Content::plain(
        body,
        R::next_cursor(answer).map(str::to_owned),
    ))
}

struct GrantRead<'a>(Claim<'a>);

impl Read for GrantRead<'_> {
    type Output = Option<Grant>;

    async fn read(&self, db: &Connection) -> Result<Self::Output, Error> {
        load_grant(db, self.0).await
    }
}

/// The answer, if there is one, and, unless it is known, whether it may be seen: both in one round trip. `None` is no.
struct AnswerRead<'a, R> {
    question: &'a Question<'a, R>,
    granted: bool,
}

impl<R: Report> Read for AnswerRead<'_, R> {
    type Output = Option<Option<R::Answer>>;

    async fn read(&self, db: &Connection) -> Result<Self::Output, Error> {
        let question = self.question;
        let scoped = match question.scope {
            Scope::Lp(lp_id, _) if self.granted => Scoped::granted(db, lp_id),
            _ => Scoped::claimed(db, question.claim()),
        };
        let answer = question.report.load(&scoped).await?;
        // The first wall: what was found is told only to whom it was granted, whatever the second let through.
        let may_see = self.granted || scoped.grant().is_some();
        Ok(may_see.then_some(answer))
    }
}

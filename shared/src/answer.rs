//! How a report is answered, the same way for every one: parse, look in the cache, else ask the database who may see it
//! and what it says in one round trip, plant the finished answer, note who looked, respond.

use chrono::{DateTime, Utc};
use lambda_http::{Body, Request, Response};
use serde::Serialize;

use crate::access::{Claim, Scope, Scoped, load_grant};
use crate::access_log::{Look, Outcome};
use crate::app::App;
use crate::cache::{Finding, Place, ReportName, Turn};
use crate::db::{Connection, Read};
use crate::error::Error;
use crate::grant::{Funds, Grant};
use crate::http::{self, Content, Origin, Parameters, Problem, Refused};

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

/// Answers a request. `names` are the query parameters that the report takes; `read` makes the report of them.
pub async fn answer<R: Report>(
    app: &App,
    request: Request,
    names: &[&str],
    read: impl FnOnce(&mut Parameters) -> Result<R, Refused> + Send,
) -> Response<Body> {
    // One instant for the whole request: its date is the as-of date, and an answer has only one.
    let now = app.clock.now();
    let answered = async {
        let subject = http::subject(&request).ok_or(Problem::Unauthenticated)?;
        let report = http::parse(&request, now.date_naive(), names, read)?;
        let accepts_gzip = http::accepts_gzip(request.headers());
        Question {
            app,
            report: &report,
            scope: report.scope(),
            subject,
            accepts_gzip,
        }
        .answer(now)
        .await
    };
    let answered = answered.await;
    if let Some(outcome) = outcome_of(&answered) {
        app.access_log.note(look(&request, R::NAME, outcome));
    }
    match answered {
        Ok((content, origin)) => http::respond(&request, content, origin),
        Err(problem) => problem.into_response(),
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
}

impl<R: Report> Question<'_, R> {
    async fn answer(&self, now: DateTime<Utc>) -> Result<(Content, Origin), Problem> {
        let (Some((name, fingerprint)), Scope::Lp(lp_id, funds)) =
            (self.report.cached_as(), &self.scope)
        else {
            let loaded = self.load(false).await?;
            return Ok((self.sent(loaded), Origin::Bypass));
        };
        let cache = &self.app.cache;
        let place = cache.place(name, *lp_id, &fingerprint, self.subject, now);
        let may_see = |granted: Option<Funds>| granted.is_some_and(|granted| granted.covers(funds));
        match cache.find(&place, Content::from_bytes).await {
            Finding::Answer { answer, granted } => {
                if !may_see(granted) {
                    self.resolve_grant(&place).await?;
                }
                let content = if self.accepts_gzip {
                    Some(answer)
                } else {
                    answer.inflated()
                };
                let content = content
                    .ok_or_else(|| Error::Inconsistent("a cached body is not gzip".into()))?;
                Ok((content, Origin::Hit))
            }
            Finding::Absent { turn, granted } => {
                let origin = if turn.cache_is_reachable() {
                    Origin::Miss
                } else {
                    Origin::Bypass
                };
                let content = self.load_and_plant(&place, turn, may_see(granted)).await?;
                Ok((content, origin))
            }
        }
    }

    /// The answer was in the cache, but not whether this subject may see it.
    async fn resolve_grant(&self, place: &Place) -> Result<(), Problem> {
        let read = GrantRead(self.claim());
        let grant = self.app.db.read(&read).await?.ok_or(Problem::Denied)?;
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
    async fn load_and_plant(
        &self,
        place: &Place,
        turn: Turn,
        granted: bool,
    ) -> Result<Content, Problem> {
        let loaded = self.load(granted).await;
        let (planted, grant) = match &loaded {
            Ok(loaded) => (Some(loaded.compressed.to_bytes()), loaded.grant.as_ref()),
            Err(_) => (None, None),
        };
        let cache = &self.app.cache;
        cache.settle(place, turn, planted.as_deref(), grant).await;
        Ok(self.sent(loaded?))
    }

    async fn load(&self, granted: bool) -> Result<Loaded, Problem> {
        let read = AnswerRead {
            question: self,
            granted,
        };
        let (answer, grant) = self.app.db.read(&read).await?.ok_or(Problem::Denied)?;
        let plain = written::<R>(&answer.ok_or(Problem::NotFound)?)?;
        Ok(Loaded {
            compressed: plain.compressed(),
            plain,
            grant,
        })
    }

    fn sent(&self, loaded: Loaded) -> Content {
        if self.accepts_gzip {
            loaded.compressed
        } else {
            loaded.plain
        }
    }
}

/// An answer from the database, as it was written and as it is kept, with the grant that was found to hold, unless it was known.
struct Loaded {
    plain: Content,
    compressed: Content,
    grant: Option<Grant>,
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

/// The answer, if there is one, and, unless the cache knew it, the grant: both in one round trip. Nothing for whom it was not
/// granted to.
struct AnswerRead<'a, R> {
    question: &'a Question<'a, R>,
    granted: bool,
}

impl<R: Report> Read for AnswerRead<'_, R> {
    type Output = Option<(Option<R::Answer>, Option<Grant>)>;

    async fn read(&self, db: &Connection) -> Result<Self::Output, Error> {
        let question = self.question;
        let scoped = match question.scope {
            Scope::Lp(lp_id, _) if self.granted => Scoped::granted(db, lp_id),
            _ => Scoped::claimed(db, question.claim()),
        };
        let answer = question.report.load(&scoped).await?;
        let grant = scoped.grant();
        // The first wall: what was found is told only to whom it was granted, whatever the second let through.
        let may_see = self.granted || grant.is_some();
        Ok(may_see.then_some((answer, grant)))
    }
}

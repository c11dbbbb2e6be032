//! Two who each have something, everybody who has nothing there, and what each of them is told.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use chrono::{DateTime, SubsecRound, Utc};
use local::gateway::tokens::{Flaw, SigningKey, TokenScope};
use redis::aio::MultiplexedConnection;
use serde_json::Value;
use tests::stack::Stack;
use tokio_postgres::Client;

use crate::route::{Holding, Route};

/// Far beyond what any wait takes; only a test that fails waits so long.
const LIMIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(2);
/// The look of somebody since a moment.
const LOOK: &str = "select from access_log where subject = $1 and occurred_at >= $2";
/// Readers' sessions in which a statement is not counted yet.
const AT_WORK: &str =
    "select count(*) from pg_stat_activity where usename = 'reader' and state <> 'idle'";
const TOKEN_TTL_SECONDS: i64 = 600;
/// What differs between any two answers.
const OF_THE_MOMENT: [&str; 2] = ["date", "apigw-requestid"];

/// Somebody with a token.
pub struct Caller {
    /// Who it is.
    pub name: String,
    /// The token.
    pub token: String,
}

/// All that an answer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

/// The stack, and who is about.
pub struct World<'a> {
    pub stack: &'a Stack,
    pub mine: Holding,
    pub theirs: Holding,
    /// May see all of `mine`.
    pub me: Caller,
    /// May see all of `theirs`.
    pub them: Caller,
    key: SigningKey,
    scope: TokenScope,
    owner: Client,
    redis: MultiplexedConnection,
    http: reqwest::Client,
}

/// Who is granted what. $1 and $2: my LP and fund, $3 and $4: theirs, $5: another fund of theirs.
const GRANTS: &str = "
    insert into lp_access (subject, role, lp_id, fund_id, granted_by, valid_from, valid_to, revoked_by, revoked_at) values
        ('me', 'lp_viewer', $1, null, 'test', now(), null, null, null),
        ('me', 'gp', null, $2, 'test', now(), null, null, null),
        ('them', 'lp_viewer', $3, null, 'test', now(), null, null, null),
        ('them', 'gp', null, $4, 'test', now(), null, null, null),
        ('expired', 'lp_viewer', $3, null, 'test', now() - interval '2 days', now() - interval '1 day', null, null),
        ('expired', 'gp', null, $4, 'test', now() - interval '2 days', now() - interval '1 day', null, null),
        ('early', 'auditor', $3, null, 'test', now() + interval '1 day', null, null, null),
        ('early', 'gp', null, $4, 'test', now() + interval '1 day', null, null, null),
        ('revoked', 'lp_viewer', $3, null, 'test', now() - interval '1 day', null, 'test', now()),
        ('revoked', 'gp', null, $4, 'test', now() - interval '1 day', null, 'test', now()),
        ('restricted', 'lp_viewer', $3, $5, 'test', now(), null, null, null),
        ('restricted', 'auditor', $3, $2, 'test', now(), null, null, null),
        ('gp', 'gp', null, $4, 'test', now(), null, null, null),
        ('viewer', 'lp_viewer', $3, null, 'test', now(), null, null, null),
        ('viewer', 'auditor', $3, $4, 'test', now(), null, null, null)";

/// Two LPs, each with a commitment in a fund in which the other has none.
const HOLDINGS: &str = "
    select c.lp_id, c.fund_id, c.commitment_id
    from lp_fund_commitments c
    where c.lp_id = $1
      and not exists (select from lp_fund_commitments o where o.lp_id = $2 and o.fund_id = c.fund_id)
    order by c.commitment_date, c.commitment_id
    limit 1";

impl<'a> World<'a> {
    pub async fn make(stack: &'a Stack) -> Self {
        let owner = stack.administration().await;
        let (my_lp_id, their_lp_id) = (stack.id("LP_ID"), stack.id("OTHER_LP_ID"));
        let mine = holding(&owner, my_lp_id, their_lp_id).await;
        let theirs = holding(&owner, their_lp_id, my_lp_id).await;
        let sql = "select max(fund_id) from lp_fund_commitments where lp_id = $1 and fund_id <> $2";
        let row = owner
            .query_one(sql, &[&theirs.lp_id, &theirs.fund_id])
            .await;
        let beside: i64 = row.expect("they are in several funds").get(0);
        let ids = [
            mine.lp_id,
            mine.fund_id,
            theirs.lp_id,
            theirs.fund_id,
            beside,
        ];
        let values = ids
            .each_ref()
            .map(|id| id as &(dyn tokio_postgres::types::ToSql + Sync));
        owner
            .execute(GRANTS, &values)
            .await
            .expect("all is granted");
        let redis = redis::Client::open(stack.setting("REDIS_URL")).expect("a URL");
        let setting = |name| stack.setting(name).to_owned();
        let scope = TokenScope {
            issuer: setting("JWT_ISSUER"),
            audience: setting("JWT_AUDIENCE"),
        };
        let key = stack.signing_key();
        let world = Self {
            stack,
            mine,
            theirs,
            me: caller(&key, &scope, "me"),
            them: caller(&key, &scope, "them"),
            key,
            scope,
            owner,
            redis: redis
                .get_multiplexed_async_connection()
                .await
                .expect("Redis answers"),
            http: reqwest::Client::new(),
        };
        // Who may see something of theirs, and whose grant is kept for it, may see nothing else.
        let path = format!("/api/lp/{}/fund/{beside}/performance", theirs.lp_id);
        let told = world.told(&path, &world.caller("restricted")).await;
        assert_eq!(told.status, 200, "{path}: {told:?}");
        world
    }

    /// Somebody with a good token.
    pub fn caller(&self, name: &str) -> Caller {
        caller(&self.key, &self.scope, name)
    }

    /// Everybody whose token is good, and who may not see what is theirs by this route.
    pub fn strangers(&self, route: &Route) -> Vec<Caller> {
        let of_another_role = if route.is_of_fund() { "viewer" } else { "gp" };
        [
            "me",
            "nobody",
            "expired",
            "early",
            "revoked",
            "restricted",
            of_another_role,
        ]
        .map(|name| self.caller(name))
        .into()
    }

    /// Whoever has no good token.
    pub fn impostors(&self) -> Vec<(String, Option<String>)> {
        let flawed = Flaw::all().iter().map(|flaw| {
            let token = self.key.flawed_token(&self.scope, "them", *flaw);
            (format!("{flaw:?}"), Some(token.expect("a token")))
        });
        let garbage = ("garbage".to_owned(), Some("no.valid.token".to_owned()));
        flawed
            .chain([("no token".to_owned(), None), garbage])
            .collect()
    }

    pub async fn ask(&self, path: &str, token: Option<&str>, tag: Option<&str>) -> Told {
        let url = format!("{}{path}", self.stack.setting("BASE_URL"));
        let mut request = self.http.get(url);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(tag) = tag {
            request = request.header("if-none-match", tag);
        }
        let response = request.send().await.expect("an answer");
        let status = response.status().as_u16();
        let headers = response.headers().iter();
        let headers = headers
            .map(|(name, value)| (name.to_string(), value.to_str().expect("text").to_owned()))
            .filter(|(name, _)| !OF_THE_MOMENT.contains(&name.as_str()))
            .collect();
        let body = response.text().await.expect("a body");
        Told {
            status,
            headers,
            body,
        }
    }

    pub async fn told(&self, path: &str, caller: &Caller) -> Told {
        self.ask(path, Some(&caller.token), None).await
    }

    /// How many commands Redis and how many statements of readers Postgres runs for one question, its record included: the least of
    /// three times, since an instance that asks for the first time connects, too.
    pub async fn cost(&self, path: &str, caller: &Caller) -> (i64, i64) {
        let mut least = (i64::MAX, i64::MAX);
        for _ in 0..3 {
            let (commands, statements) = self.cost_once(path, caller).await;
            least = (least.0.min(commands), least.1.min(statements));
        }
        least
    }

    /// Of a question whose look the database has recorded: one that it was too slow to record is in the function's log and has cost
    /// something else, and another is asked then.
    async fn cost_once(&self, path: &str, caller: &Caller) -> (i64, i64) {
        let start = Instant::now();
        loop {
            let before = self.calls().await;
            // The database knows microseconds.
            let since = Utc::now().trunc_subsecs(6);
            self.told(path, caller).await;
            if self.is_recorded(caller, since).await {
                let after = self.calls().await;
                return (after.0 - before.0, after.1 - before.1);
            }
            assert!(start.elapsed() < LIMIT, "{path} is not recorded");
        }
    }

    /// Waits until the look of somebody since a moment is in the database, or in the function's log, and says whether it is the former.
    async fn is_recorded(&self, caller: &Caller, since: DateTime<Utc>) -> bool {
        let start = Instant::now();
        loop {
            // To read all logs takes longer, and hardly ever is there anything to find.
            for _ in 0..100 {
                let look = self.owner.query(LOOK, &[&caller.name, &since]).await;
                if !look.expect("the looks").is_empty() {
                    return true;
                }
                tokio::time::sleep(POLL).await;
            }
            if self.is_logged(caller, since) {
                return false;
            }
            assert!(start.elapsed() < LIMIT, "{}'s look is nowhere", caller.name);
        }
    }

    fn is_logged(&self, caller: &Caller, since: DateTime<Utc>) -> bool {
        let logs = self.stack.logs();
        let lines = logs.values().flat_map(|log| log.lines());
        let mut lines = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.any(|line| {
            let at = line["timestamp"].as_str().unwrap_or_default();
            let is_new = at.parse::<DateTime<Utc>>().is_ok_and(|at| at >= since);
            is_new && line["target"] == "access_log" && line["subject"] == caller.name
        })
    }

    /// How many there have been, once all that was begun is counted.
    async fn calls(&self) -> (i64, i64) {
        let start = Instant::now();
        while self.number(AT_WORK).await > 0 {
            assert!(start.elapsed() < LIMIT, "a statement does not end");
            tokio::time::sleep(POLL).await;
        }
        let mut redis = self.redis.clone();
        let statistics: String = redis::cmd("INFO")
            .arg("commandstats")
            .query_async(&mut redis)
            .await
            .expect("counts");
        let commands = statistics.lines().filter_map(|line| {
            let (name, counts) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
            let calls: i64 = counts.split(',').next()?.parse().ok()?;
            (name != "info").then_some(calls)
        });
        let statements =
            "select coalesce(sum(s.calls), 0)::bigint from monitoring.pg_stat_statements s
            join pg_roles r on r.oid = s.userid where r.rolname = 'reader'";
        (commands.sum(), self.number(statements).await)
    }

    async fn number(&self, sql: &str) -> i64 {
        self.owner
            .query_one(sql, &[])
            .await
            .expect("a number")
            .get(0)
    }
}

fn caller(key: &SigningKey, scope: &TokenScope, name: &str) -> Caller {
    let token = key.token(scope, name, TOKEN_TTL_SECONDS);
    Caller {
        name: name.to_owned(),
        token: token.expect("a token"),
    }
}

async fn holding(owner: &Client, lp_id: i64, other_lp_id: i64) -> Holding {
    let row = owner.query_one(HOLDINGS, &[&lp_id, &other_lp_id]).await;
    let row = row.expect("each has a fund to itself");
    Holding {
        lp_id: row.get(0),
        fund_id: row.get(1),
        commitment_id: row.get(2),
    }
}

//! Every route of the contract, and everybody who may not have its answer: whoever has no good token is refused, and everybody else is
//! told, and costs, the same as if nothing were there. Routes and parameters are read from docs/openapi.yaml: what comes to be there is
//! tried as well, or named as missing here.

mod route;
mod world;

use route::{Holding, Route, routes};
use serde_json::{Value, json};
use tests::stack::Stack;
use world::{Told, World};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_no_route_is_anybody_told_what_is_not_theirs() {
    let stack = Stack::start().await;
    let world = World::make(&stack).await;
    let routes = routes();
    let mut attempts = 0;
    for route in &routes {
        attempts += nobody_without_a_good_token(&world, route).await;
        attempts += nobody_without_a_grant(&world, route).await;
        attempts += nothing_by_what_is_anothers(&world, route).await;
        attempts += nothing_by_anothers_cursor(&world, route).await;
        attempts += nothing_after_a_revocation(&world, route).await;
        attempts += the_same_cost(&world, route).await;
    }
    println!(
        "{attempts} attempts on {} routes: nobody was told anything",
        routes.len()
    );
}

/// What somebody is told where there is nothing.
async fn nothing(world: &World<'_>, route: &Route, token: &str) -> Told {
    let told = world
        .ask(&route.to(Holding::NOBODYS), Some(token), None)
        .await;
    assert_eq!(told.status, 404, "{}: {told:?}", route.name);
    told
}

/// Asks as those to whom it was granted until the answer is kept, if it is ever kept; returns its ETag.
async fn prime(world: &World<'_>, route: &Route) -> String {
    let path = route.to(world.theirs);
    let first = world.told(&path, &world.them).await;
    assert_eq!(first.status, 200, "{path}: {first:?}");
    let second = world.told(&path, &world.them).await;
    let expected = if first.headers["x-cache"] == "bypass" {
        "bypass"
    } else {
        "hit"
    };
    assert_eq!(second.headers["x-cache"], expected, "{path}");
    second.headers["etag"].clone()
}

async fn nobody_without_a_good_token(world: &World<'_>, route: &Route) -> usize {
    prime(world, route).await;
    let path = route.to(world.theirs);
    let impostors = world.impostors();
    for (flaw, token) in &impostors {
        let told = world.ask(&path, token.as_deref(), None).await;
        assert_eq!(told.status, 401, "{path}, {flaw}: {told:?}");
        let nowhere = world
            .ask(&route.to(Holding::NOBODYS), token.as_deref(), None)
            .await;
        assert_eq!(told, nowhere, "{path}, {flaw}");
    }
    impostors.len()
}

/// The answer is kept by now: that it is changes nothing for them, nor does it that they have its ETag.
async fn nobody_without_a_grant(world: &World<'_>, route: &Route) -> usize {
    let path = route.to(world.theirs);
    let tag = prime(world, route).await;
    let strangers = world.strangers(route);
    for stranger in &strangers {
        let nothing = nothing(world, route, &stranger.token).await;
        let told = world.told(&path, stranger).await;
        assert_eq!(told, nothing, "{path} as {}", stranger.name);
        let told = world.ask(&path, Some(&stranger.token), Some(&tag)).await;
        assert_eq!(told, nothing, "{path} as {} with its ETag", stranger.name);
    }
    let own = world
        .ask(&route.to(world.mine), Some(&world.me.token), Some(&tag))
        .await;
    assert_eq!(
        own.status, 200,
        "{}: another's ETag is not mine",
        route.name
    );
    2 * strangers.len() + 1
}

async fn nothing_by_what_is_anothers(world: &World<'_>, route: &Route) -> usize {
    let theirs = route.beside(world.mine, world.theirs);
    let nobodys = route.beside(world.mine, Holding::NOBODYS);
    for (theirs, nobodys) in theirs.iter().zip(&nobodys) {
        let told = world.told(theirs, &world.me).await;
        let nothing = world.told(nobodys, &world.me).await;
        assert!([200, 404].contains(&told.status), "{theirs}: {told:?}");
        assert_eq!(told.body, nothing.body, "{theirs}");
        assert_eq!(told.status, nothing.status, "{theirs}");
    }
    theirs.len()
}

async fn nothing_by_anothers_cursor(world: &World<'_>, route: &Route) -> usize {
    if !route.has_pages() {
        return 0;
    }
    let page = world
        .told(&format!("{}?limit=1", route.to(world.theirs)), &world.them)
        .await;
    let page: Value = serde_json::from_str(&page.body).expect("a page");
    let cursor = page["nextCursor"].as_str().expect("there are more");
    let mine = format!("{}?limit=1&cursor={cursor}", route.to(world.mine));
    let told = world.told(&mine, &world.me).await;
    assert_eq!(told.status, 400, "{mine}: {told:?}");
    let theirs = format!("{}?limit=1&cursor={cursor}", route.to(world.theirs));
    let told = world.told(&theirs, &world.me).await;
    assert_eq!(
        told,
        nothing(world, route, &world.me.token).await,
        "{theirs}"
    );
    2
}

/// Granted and taken back by the command, with the answer and the grant kept in between.
async fn nothing_after_a_revocation(world: &World<'_>, route: &Route) -> usize {
    let subject = format!("leaver of {}", route.name);
    let token = world.caller(&subject).token;
    let mut words = json!({"subject": subject, "by": "test"});
    if route.is_of_fund() {
        words["role"] = json!("gp");
        words["fundId"] = json!(world.theirs.fund_id);
    } else {
        words["role"] = json!("lp_viewer");
        words["lpId"] = json!(world.theirs.lp_id);
    }
    let path = route.to(world.theirs);
    let nothing = nothing(world, route, &token).await;
    for verb in ["grant", "revoke", "grant", "revoke"] {
        let done = world
            .stack
            .invoke("entitlements", &json!({verb: words}))
            .await;
        assert!(done.get("errorMessage").is_none(), "{verb}: {done}");
        for _ in 0..2 {
            let told = world.ask(&path, Some(&token), None).await;
            if verb == "grant" {
                assert_eq!(told.status, 200, "{path} after {verb}: {told:?}");
            } else {
                assert_eq!(told, nothing, "{path} after {verb}");
            }
        }
    }
    4
}

/// Also when the answer is kept for others.
async fn the_same_cost(world: &World<'_>, route: &Route) -> usize {
    prime(world, route).await;
    let strangers = world.strangers(route);
    for stranger in &strangers {
        let theirs = world.cost(&route.to(world.theirs), stranger).await;
        let nobodys = world.cost(&route.to(Holding::NOBODYS), stranger).await;
        let told = format!("{} as {}: commands, statements", route.name, stranger.name);
        assert_eq!(theirs, nobodys, "{told}");
        assert!(theirs.1 > 0, "{told}");
    }
    strangers.len()
}

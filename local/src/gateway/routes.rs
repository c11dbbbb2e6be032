//! Finds the function of a request among the template's routes.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;

use crate::template::Route;

/// The routes with the names of their functions.
#[derive(Debug)]
pub struct Routes(Vec<(Route, String)>);

/// The route of a request.
#[derive(Debug, PartialEq, Eq)]
pub struct Match<'a> {
    /// The route as the template writes it.
    pub route: &'a Route,
    /// The function behind it.
    pub function: &'a str,
    /// The path's parameters, decoded.
    pub parameters: BTreeMap<String, String>,
}

impl Routes {
    /// Takes the routes of a template.
    pub fn new(routes: Vec<(Route, String)>) -> Self {
        Self(routes)
    }

    /// The route of a request, if there is one.
    pub fn find(&self, method: &str, path: &str) -> Option<Match<'_>> {
        self.0
            .iter()
            .filter(|(route, _)| route.method == method || route.method == "ANY")
            .find_map(|(route, function)| {
                let parameters = path_parameters(&route.path, path)?;
                Some(Match {
                    route,
                    function,
                    parameters,
                })
            })
    }
}

fn path_parameters(pattern: &str, path: &str) -> Option<BTreeMap<String, String>> {
    let (expected, found): (Vec<&str>, Vec<&str>) =
        (pattern.split('/').collect(), path.split('/').collect());
    if expected.len() != found.len() {
        return None;
    }
    let mut parameters = BTreeMap::new();
    for (expected, found) in expected.into_iter().zip(found) {
        match expected
            .strip_prefix('{')
            .and_then(|name| name.strip_suffix('}'))
        {
            Some(_) if found.is_empty() => return None,
            Some(name) => drop(parameters.insert(
                name.to_owned(),
                percent_decode_str(found).decode_utf8_lossy().into_owned(),
            )),
            None if expected != found => return None,
            None => {}
        }
    }
    Some(parameters)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes() -> Routes {
        let route = |path: &str| Route {
            method: "GET".to_owned(),
            path: path.to_owned(),
        };
        let performance = (
            route("/api/lp/{lpId}/performance"),
            "performance".to_owned(),
        );
        let history = (
            route("/api/lp/{lpId}/performance/history"),
            "performance-history".to_owned(),
        );
        Routes::new(vec![performance, history])
    }

    #[test]
    fn a_path_finds_its_function_and_its_decoded_parameters() {
        let routes = routes();
        let found = routes.find("GET", "/api/lp/4%32/performance").unwrap();
        assert_eq!(found.function, "performance");
        assert_eq!(found.parameters["lpId"], "42");
        assert_eq!(
            routes
                .find("GET", "/api/lp/1/performance/history")
                .unwrap()
                .function,
            "performance-history"
        );
    }

    #[test]
    fn another_method_or_path_finds_nothing() {
        for (method, path) in [
            ("POST", "/api/lp/1/performance"),
            ("GET", "/api/lp/1"),
            ("GET", "/api/lp//performance"),
            ("GET", "/api/lp/1/performance/"),
            ("GET", "/"),
        ] {
            assert_eq!(routes().find(method, path), None, "{method} {path}");
        }
    }
}

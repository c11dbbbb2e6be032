//! The part of CloudWatch's metric math that the template uses: numbers, metrics by their ids, `+ - * /`, comparisons, `IF` and
//! `FILL`. What is missing makes missing whatever it is part of, as dividing by zero does.

/// What a formula comes to; `value_of` has the metrics. Panics with the formula at what it does not understand.
pub fn evaluate(formula: &str, value_of: &dyn Fn(&str) -> Option<f64>) -> Option<f64> {
    let mut rest = Rest {
        formula,
        tokens: tokens(formula),
        value_of,
    };
    let value = rest.comparison();
    assert!(rest.tokens.is_empty(), "{formula}: {:?}", rest.tokens);
    value
}

/// The tokens, the last first.
fn tokens(formula: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
    let goes_on = |token: &str, c: char| {
        let last = token.chars().last();
        last.is_some_and(|last| (is_word(last) && is_word(c)) || ("<>".contains(last) && c == '='))
    };
    let mut spaced = true;
    for c in formula.chars() {
        match tokens.last_mut() {
            _ if c.is_whitespace() => {}
            Some(token) if !spaced && goes_on(token, c) => token.push(c),
            _ => tokens.push(c.to_string()),
        }
        spaced = c.is_whitespace();
    }
    tokens.reverse();
    tokens
}

/// What is still to be read.
struct Rest<'a> {
    formula: &'a str,
    tokens: Vec<String>,
    value_of: &'a dyn Fn(&str) -> Option<f64>,
}

impl Rest<'_> {
    /// The next token, if it is one of these.
    fn accept(&mut self, wanted: &[&str]) -> Option<String> {
        let next = self.tokens.last()?;
        wanted.contains(&next.as_str()).then(|| self.tokens.pop())?
    }

    fn expect(&mut self, wanted: &str) {
        let found = self.accept(&[wanted]);
        assert!(found.is_some(), "{}: no {wanted}", self.formula);
    }

    fn comparison(&mut self) -> Option<f64> {
        let left = self.sum();
        let Some(operator) = self.accept(&["<", "<=", ">", ">="]) else {
            return left;
        };
        let (left, right) = left.zip(self.sum())?;
        let holds = match operator.as_str() {
            "<" => left < right,
            "<=" => left <= right,
            ">" => left > right,
            _ => left >= right,
        };
        Some(f64::from(u8::from(holds)))
    }

    fn sum(&mut self) -> Option<f64> {
        let mut left = self.product();
        while let Some(operator) = self.accept(&["+", "-"]) {
            let both = left.zip(self.product());
            left = both.map(|(left, right)| match operator.as_str() {
                "+" => left + right,
                _ => left - right,
            });
        }
        left
    }

    fn product(&mut self) -> Option<f64> {
        let mut left = self.single();
        while let Some(operator) = self.accept(&["*", "/"]) {
            let both = left.zip(self.single());
            let value = both.map(|(left, right)| match operator.as_str() {
                "*" => left * right,
                _ => left / right,
            });
            left = value.filter(|value| value.is_finite());
        }
        left
    }

    fn single(&mut self) -> Option<f64> {
        let token = self.tokens.pop().unwrap_or_default();
        match token.as_str() {
            "(" => {
                let value = self.comparison();
                self.expect(")");
                value
            }
            "IF" => match self.arguments().as_slice() {
                [condition, then, otherwise @ ..] => {
                    if (*condition)? != 0.0 {
                        *then
                    } else {
                        otherwise.first().copied().flatten()
                    }
                }
                _ => panic!("{}: IF of what?", self.formula),
            },
            "FILL" => match self.arguments().as_slice() {
                [value, filling] => value.or(*filling),
                _ => panic!("{}: FILL what by what?", self.formula),
            },
            word if word.starts_with(|c: char| c.is_ascii_digit()) => Some(
                word.parse()
                    .unwrap_or_else(|_| panic!("{}: {word}", self.formula)),
            ),
            id => (self.value_of)(id),
        }
    }

    fn arguments(&mut self) -> Vec<Option<f64>> {
        self.expect("(");
        let mut arguments = vec![self.comparison()];
        while self.accept(&[","]).is_some() {
            arguments.push(self.comparison());
        }
        self.expect(")");
        arguments
    }
}

#[test]
fn formulas_are_evaluated_as_cloudwatch_does() {
    let value_of = |id: &str| match id {
        "two" => Some(2.0),
        "zero" => Some(0.0),
        _ => None,
    };
    for (formula, expected) in [
        ("1 + two * 3 - 4 / 2", Some(5.0)),
        ("(1+two)*3", Some(9.0)),
        ("two / zero", None),
        ("1 + none", None),
        ("FILL(none, 0) + FILL(two, 0)", Some(2.0)),
        ("IF(two >= 2, 100 * two / 4)", Some(50.0)),
        ("IF(two > 2, 1)", None),
        ("IF(none > 2, 1, 0.5)", None),
        ("IF(zero, 1, two)", Some(2.0)),
    ] {
        assert_eq!(evaluate(formula, &value_of), expected, "{formula}");
    }
}

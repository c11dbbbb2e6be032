//! Invented names that read like real ones, each made from its owner's number, so that none repeats.

/// A limited partner's name.
pub fn limited_partner(lp_id: i64) -> String {
    const PLACES: [&str; 25] = [
        "Northmere",
        "Calder Valley",
        "Ostrava Bay",
        "Lakeland",
        "Saint Aldric",
        "Three Rivers",
        "Hollingdean",
        "Port Emlyn",
        "Kestrel County",
        "Amberley",
        "New Harrow",
        "Vestfjord",
        "Linden",
        "Cape Marrow",
        "Eastwold",
        "Granite State",
        "Tamarack",
        "Whitcombe",
        "Sierra Alta",
        "Dunmore",
        "Ravensbourne",
        "Bellhaven",
        "Ironbridge",
        "Marlow",
        "Quayside",
    ];
    const KINDS: [&str; 8] = [
        "Teachers' Retirement System",
        "University Endowment",
        "Public Employees' Pension Fund",
        "Family Office",
        "Life Assurance",
        "Community Foundation",
        "Sovereign Reserve Fund",
        "Fund of Funds",
    ];
    numbered(lp_id, &PLACES, &KINDS)
}

/// A fund's name.
pub fn fund(fund_id: i64) -> String {
    const HOUSES: [&str; 25] = [
        "Harrowgate",
        "Blackfen",
        "Corvus",
        "Meridian Hill",
        "Ashdown",
        "Tidewater",
        "Sable Point",
        "Orchard Lane",
        "Fairmile",
        "Kingsmoor",
        "Alder Creek",
        "Stonecross",
        "Brightwater",
        "Longmeadow",
        "Falcon Ridge",
        "Westering",
        "Pinnock",
        "Greyfriars",
        "Halyard",
        "Summerfield",
        "Copperline",
        "Silverthorn",
        "Maplestead",
        "Eskdale",
        "Larkspur",
    ];
    const STRATEGIES: [&str; 8] = [
        "Buyout Partners",
        "Growth Equity",
        "Ventures",
        "Infrastructure",
        "Mid-Market Capital",
        "Technology Partners",
        "Healthcare Fund",
        "Credit Opportunities",
    ];
    numbered(fund_id, &HOUSES, &STRATEGIES)
}

/// A portfolio company's name.
pub fn company(company_id: i64) -> String {
    const STEMS: [&str; 25] = [
        "Aurelia",
        "Bright Kiln",
        "Cobalt",
        "Deepwell",
        "Emberline",
        "Ferrous",
        "Glasshouse",
        "Hydra",
        "Inkwell",
        "Juniper",
        "Keystone",
        "Lattice",
        "Moonraker",
        "Nimbus",
        "Oakmont",
        "Paperbark",
        "Quartz",
        "Riverstone",
        "Sunfold",
        "Tern",
        "Umbra",
        "Verdant",
        "Wayfarer",
        "Yarrow",
        "Zephyr",
    ];
    const TRADES: [&str; 16] = [
        "Analytics",
        "Logistics",
        "Therapeutics",
        "Payments",
        "Robotics",
        "Foods",
        "Energy",
        "Software",
        "Materials",
        "Diagnostics",
        "Networks",
        "Insurance Services",
        "Packaging",
        "Mobility",
        "Education",
        "Water",
    ];
    numbered(company_id, &STEMS, &TRADES)
}

/// The sector of a portfolio company.
pub fn sector(company_id: i64) -> &'static str {
    const SECTORS: [&str; 6] = [
        "Technology",
        "Healthcare",
        "Industrials",
        "Financial Services",
        "Consumer",
        "Energy",
    ];
    pick(&SECTORS, company_id)
}

/// The stage of a portfolio company when it was bought.
pub fn stage(company_id: i64) -> &'static str {
    const STAGES: [&str; 4] = ["Seed", "Venture", "Growth", "Buyout"];
    pick(&STAGES, company_id / 5)
}

/// A first and a second word. Their lists' lengths have no common divisor, so taking each by the same number goes through
/// all pairs before one repeats; then a number follows.
fn numbered(id: i64, firsts: &[&str], seconds: &[&str]) -> String {
    let first = pick(firsts, id);
    let second = pick(seconds, id);
    match id / (firsts.len() * seconds.len()) as i64 {
        0 => format!("{first} {second}"),
        repeat => format!("{first} {second} {}", repeat + 1),
    }
}

fn pick<'a>(words: &[&'a str], number: i64) -> &'a str {
    words[number.rem_euclid(words.len() as i64) as usize]
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    #[test]
    fn no_name_repeats() {
        let names: HashSet<_> = (1..=32_000).map(super::company).collect();
        assert_eq!(names.len(), 32_000);
        let names: HashSet<_> = (1..=10_012).map(super::limited_partner).collect();
        assert_eq!(names.len(), 10_012);
    }
}

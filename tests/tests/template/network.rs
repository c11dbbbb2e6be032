//! Who can be reached from where, what is encrypted, and who pays for what.

use serde_json::{Value, json};

use crate::template::{Template, members};

/// Nothing has a way in from outside, functions included, and a rule lets in a group and no range of addresses.
pub fn network(template: &Template) -> Vec<String> {
    let mut violations = Vec::new();
    for kind in [
        "AWS::EC2::InternetGateway",
        "AWS::EC2::NatGateway",
        "AWS::EC2::Route",
    ] {
        violations.extend(
            template
                .resources(kind)
                .into_iter()
                .map(|(id, _)| format!("{id} leads out")),
        );
    }
    for (kind, name) in [
        ("AWS::EC2::Subnet", "MapPublicIpOnLaunch"),
        ("AWS::RDS::DBInstance", "PubliclyAccessible"),
    ] {
        for (id, resource) in template.properties(kind) {
            if resource[name] != false {
                violations.push(format!("{id}: {name} is {}", resource[name]));
            }
        }
    }
    for (id, group) in template.properties("AWS::EC2::SecurityGroup") {
        if group["SecurityGroupIngress"] != Value::Null {
            violations.push(format!("{id} lets in whom no rule of its own names"));
        }
    }
    for (id, rule) in template.properties("AWS::EC2::SecurityGroupIngress") {
        if rule["SourceSecurityGroupId"].is_null() || rule["FromPort"].is_null() {
            violations.push(format!("{id} lets in more than a group to a port"));
        }
    }
    for (name, function) in template.functions() {
        let subnets = members(&function["Properties"]["VpcConfig"]["SubnetIds"]);
        if subnets
            != [
                &json!({"Ref": "FirstSubnet"}),
                &json!({"Ref": "SecondSubnet"}),
            ]
        {
            violations.push(format!("{name} runs outside of the network"));
        }
    }
    violations
}

/// Everything at rest and on the way is encrypted, and no password opens anything.
pub fn encryption(template: &Template) -> Vec<String> {
    let mut violations = Vec::new();
    let mut expect = |found: &Value, expected: Value, what: &str| {
        if found != &expected {
            violations.push(format!("{what} is {found}"));
        }
    };
    let database = template.resource("Database");
    expect(
        &database["StorageEncrypted"],
        json!(true),
        "the database's encryption",
    );
    expect(
        &database["EnableIAMDatabaseAuthentication"],
        json!(true),
        "the database's authentication",
    );
    expect(
        &database["MasterUserAuthenticationType"],
        json!("iam-db-auth"),
        "the administrator's",
    );
    let parameters = &template.resource("DatabaseParameters")["Parameters"];
    expect(
        &parameters["rds.force_ssl"],
        json!("1"),
        "TLS to the database",
    );
    expect(
        &template.resource("CacheUser")["AuthenticationMode"],
        json!({"Type": "iam"}),
        "the cache's authentication",
    );
    for (id, queue) in template.properties("AWS::SQS::Queue") {
        expect(
            &queue["SqsManagedSseEnabled"],
            json!(true),
            &format!("{id}'s encryption"),
        );
    }
    for (name, function) in template.functions() {
        let variables = &function["Properties"]["Environment"]["Variables"];
        for (variable, url) in variables.as_object().into_iter().flatten() {
            let url = url.to_string();
            let is_open = (url.contains("postgres://") && !url.contains("sslmode=require"))
                || url.contains("redis://");
            if is_open {
                violations.push(format!("{name}: {variable} is {url}"));
            }
        }
    }
    violations
}

/// What costs money says whose it is.
pub fn tags(template: &Template) -> Vec<String> {
    const BILLED: [&str; 7] = [
        "AWS::Lambda::Function",
        "AWS::ApiGatewayV2::Stage",
        "AWS::RDS::DBCluster",
        "AWS::RDS::DBInstance",
        "AWS::RDS::DBProxy",
        "AWS::ElastiCache::ServerlessCache",
        "AWS::Logs::LogGroup",
    ];
    let billed = BILLED.iter().flat_map(|kind| template.properties(kind));
    let untagged = billed.filter(|(_, resource)| {
        let tags = resource["Tags"].to_string();
        !(tags.contains("Application") && tags.contains("Size"))
    });
    untagged
        .map(|(id, _)| format!("{id} has no tags"))
        .collect()
}

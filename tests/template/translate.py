"""Translates templates as a deployment does, and lints them before and after, without a network.

Reads from standard input a JSON list of {"text", "lint"}, and writes a list of {"template", "findings"}: the translated
template, and what cfn-lint says of the text and of what came of it, if it is asked. What cannot be translated has a finding that
says why, and no template.
"""

import json
import os
import re
import sys

# Whatever asks for a region finds this one; nothing else of AWS is asked for.
os.environ["AWS_DEFAULT_REGION"] = "us-east-1"

import cfnlint.api
import yaml
from samtranslator.public.exceptions import InvalidDocumentException
from samtranslator.translator.transform import transform

# The one in C, where it was built: reading takes most of the time.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

PARAMETERS = {
    "JwtIssuer": "https://issuer.example",
    "JwtAudience": "lp-reporting",
    "AWS::Region": "us-east-1",
    "AWS::Partition": "aws",
    "AWS::StackName": "lp-reporting",
}


class NoManagedPolicies:
    """Policies of AWS by name would have to be asked for; the template writes their ARNs."""

    def load(self):
        return {}


def packaged(template):
    """As `sam package` leaves it: code lies in a bucket."""
    for resource in template["Resources"].values():
        properties = resource.get("Properties", {})
        for name in ("CodeUri", "ContentUri"):
            if name in properties:
                folder = properties[name].rstrip("/").rsplit("/", 1)[-1]
                properties[name] = f"s3://bucket/{folder}"
    return template


def parameters(template):
    declared = template.get("Parameters", {})
    defaults = {name: declared[name]["Default"] for name in declared if "Default" in declared[name]}
    return {**defaults, **PARAMETERS}


def translate(text):
    template = packaged(yaml.load(text, LOADER))
    return transform(template, parameters(template), NoManagedPolicies())


def lint(text):
    return [f"{match.rule.id} {match.message} (line {match.linenumber})" for match in cfnlint.api.lint(text)]


def check(case):
    findings = []
    if case["lint"]:
        findings += [f"raw: {finding}" for finding in lint(case["text"])]
    try:
        template = translate(case["text"])
    except InvalidDocumentException as error:
        return {"template": None, "findings": findings + [f"not translated: {error.message}"]}
    if case["lint"]:
        findings += [f"translated: {finding}" for finding in lint(json.dumps(template))]
    return {"template": template, "findings": findings}


if __name__ == "__main__":
    json.dump([check(case) for case in json.load(sys.stdin)], sys.stdout)

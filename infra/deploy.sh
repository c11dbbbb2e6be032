#!/usr/bin/env bash
# Deploys infra/template.yaml with the packages that infra/package.sh builds, by the SAM command line. What it is told:
#   STACK       the stack's name; lp-reporting unless given
#   ARCH        x86_64 or arm64; x86_64 unless given
#   PARAMETERS  the template's parameters, as Name=value with blanks between; those not named stay as they were
# Everything that can be missing is looked for before anything is built.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly STACK=${STACK:-lp-reporting}
readonly ARCH=${ARCH:-x86_64}
readonly AUTHORITIES=infra/rds-authorities/rds-authorities.pem
readonly TEMPLATE=target/lambda/template.yaml
readonly REGION=${AWS_REGION:-${AWS_DEFAULT_REGION:-}}

refuse() {
    echo "deploy: $*" >&2
    exit 1
}

has_credentials() {
    [ -n "${AWS_ACCESS_KEY_ID:-}${AWS_PROFILE:-}${AWS_WEB_IDENTITY_TOKEN_FILE:-}" ] ||
        [ -n "${AWS_CONTAINER_CREDENTIALS_RELATIVE_URI:-}${AWS_CONTAINER_CREDENTIALS_FULL_URI:-}" ] ||
        [ -e "${AWS_SHARED_CREDENTIALS_FILE:-$HOME/.aws/credentials}" ] || [ -e "${AWS_CONFIG_FILE:-$HOME/.aws/config}" ]
}

check_tools() {
    command -v sam >/dev/null || refuse "the SAM command line (sam) is not installed: pip install aws-sam-cli."
    command -v curl >/dev/null || refuse "curl is not installed."
    [ -n "$REGION" ] || refuse "AWS_REGION says in which region, and is not set."
    has_credentials || refuse "there are no AWS credentials: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and its secret."
}

# RDS is its own authority, another one in each region: docs/deploying.md.
fetch_authorities() {
    mkdir -p "$(dirname "$AUTHORITIES")"
    curl -fsS -o "$AUTHORITIES.part" "https://truststore.pki.rds.amazonaws.com/$REGION/$REGION-bundle.pem" ||
        refuse "the authorities of RDS in $REGION could not be fetched."
    mv "$AUTHORITIES.part" "$AUTHORITIES"
}

# The template with the packages in place of the sources.
write_template() {
    sed -e "s|CodeUri: ../functions/\(.*\)|CodeUri: $ARCH/\1/bootstrap.zip|" \
        -e "s|ContentUri: rds-authorities/|ContentUri: ../../infra/rds-authorities/|" infra/template.yaml >"$TEMPLATE"
}

check_tools
fetch_authorities
infra/package.sh
write_template
# shellcheck disable=SC2086
sam deploy --template-file "$TEMPLATE" --stack-name "$STACK" --region "$REGION" --resolve-s3 \
    --capabilities CAPABILITY_IAM CAPABILITY_AUTO_EXPAND --no-fail-on-empty-changeset --tags Application=lp-reporting \
    --parameter-overrides "Architecture=$ARCH" ${PARAMETERS:-}

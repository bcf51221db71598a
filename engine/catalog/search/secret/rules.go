package secret

import (
	"regexp"
	"slices"
)

// rule finds one kind of credential.
type rule struct {
	name string
	// keywords are what every such credential has, in either case; the expression is applied from there on.
	keywords []string
	// exact replaces keywords for a prefix that is too short for them; its case counts.
	exact string
	// pattern matches from the keyword on. Its group, if any, is the credential.
	pattern *regexp.Regexp
	// word: the credential is no part of a longer word, so a keyword within one is passed over.
	word bool
	// reach is how many bytes from the keyword on the expression sees, if more than the usual.
	reach int
	// credible, if set, tells credentials from what only looks like one.
	credible func(credential []byte) bool
}

// token is a credential that the issuer has given a prefix of its own.
func token(name, pattern string, prefixes ...string) rule {
	return rule{name: name, keywords: prefixes, pattern: from(pattern), word: true, credible: random}
}

func from(pattern string) *regexp.Regexp { return regexp.MustCompile(`^(?:` + pattern + `)`) }

// assigned is between the name of a setting and its value in the usual notations: a=b, a: b, "a" => "b", <a>b.
const assigned = `["'\]]{0,2}[ \t]{0,8}(?:=>|:=|[=:,>])[ \t]{0,8}["']?`

// rules are the default ones. Forms are those the issuers document.
var rules = []rule{
	{
		name: "AWS_ACCESS_KEY", keywords: []string{"AKIA", "ASIA", "ABIA", "ACCA"}, word: true, credible: random,
		pattern: from(`(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b`),
	},
	{
		name: "AWS_SECRET_KEY", keywords: []string{"aws_secret", "aws-secret", "awssecret", "secret_access_key", "secret-access-key", "secretaccesskey"},
		pattern:  from(`(?i:(?:aws[_-]?)?secret(?:[_-]?(?:access[_-]?)?key)?)` + assigned + `([A-Za-z0-9/+]{40})(?:[^A-Za-z0-9/+=]|\z)`),
		credible: random,
	},
	{
		name: "PRIV_KEY", keywords: []string{"-----BEGIN"}, reach: farReach, pattern: from(`-----BEGIN (?:[A-Z0-9]{1,20} ){0,3}PRIVATE KEY(?: BLOCK)?-----` +
			`(?:\s|\\[nr]|["'+,\\]){1,40}(?:[A-Za-z-]{1,30}: [^\n\\]*(?:\s|\\[nr]){1,8}){0,6}[A-Za-z0-9+/=]{12}`),
	},
	{name: "PRIV_KEY", keywords: []string{"PuTTY-User-Key-File-"}, pattern: from(`PuTTY-User-Key-File-[23]: [a-z0-9-]{4,40}`)},
	{name: "DOCKER_AUTH", keywords: []string{`"auth"`}, reach: farReach, pattern: from(`"auth"\s{0,8}:\s{0,8}"([A-Za-z0-9+/]{4,}={0,2})"`), credible: userAndPassword},
	{
		name: "API_KEY", keywords: []string{"api_key", "api-key", "apikey"}, credible: mixed,
		pattern: from(`(?i:api[_-]?key)` + assigned + `([A-Za-z0-9](?:[A-Za-z0-9_\-]{18,62})[A-Za-z0-9])(?:[^A-Za-z0-9_\-.(/+=]|\z)`),
	},
	{
		name: "AZURE_STORAGE_KEY", keywords: []string{"AccountKey", "azure_storage_key"}, credible: random,
		pattern: from(`(?i:AccountKey|azure_storage_key)` + assigned + `([A-Za-z0-9+/]{86}==)`),
	},
	{
		name: "NPM_TOKEN", keywords: []string{"_authToken"}, credible: mixed,
		pattern: from(`_authToken[ \t]{0,8}=[ \t]{0,8}["']?([A-Za-z0-9_\-+/=]{20,})`),
	},
	{name: "HUGGINGFACE_TOKEN", exact: "hf_", pattern: from(`hf_[A-Za-z]{34}\b`), word: true, credible: random},
	{name: "SENDGRID_TOKEN", exact: "SG.", pattern: from(`SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}`), word: true, credible: random},
	token("AGE_SECRET_KEY", `AGE-SECRET-KEY-1[0-9A-Z]{58}\b`, "AGE-SECRET-KEY-1"),
	token("ANTHROPIC_KEY", `sk-ant-[a-z0-9]{3,10}-[A-Za-z0-9_-]{32,}`, "sk-ant-"),
	token("CIRCLECI_TOKEN", `CCI(?:PAT|PRJ)_[A-Za-z0-9]{22}_[0-9a-f]{40}`, "CCIPAT_", "CCIPRJ_"),
	token("DATABRICKS_TOKEN", `dapi[0-9a-f]{32}(?:-\d)?\b`, "dapi"),
	token("DIGITALOCEAN_TOKEN", `do[opr]_v1_[0-9a-f]{64}\b`, "doo_v1_", "dop_v1_", "dor_v1_"),
	token("DISCORD_WEBHOOK", `discord(?:app)?\.com/api/webhooks/\d{17,20}/[A-Za-z0-9_-]{60,80}`, "discord.com/api/webhooks/", "discordapp.com/api/webhooks/"),
	token("DOCKER_TOKEN", `dckr_[po]at_[A-Za-z0-9_-]{27,40}`, "dckr_pat_", "dckr_oat_"),
	token("GITHUB_TOKEN", `gh[pousr]_[A-Za-z0-9]{36,}\b`, "ghp_", "gho_", "ghu_", "ghs_", "ghr_"),
	token("GITHUB_TOKEN", `github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}\b`, "github_pat_"),
	token("GITLAB_TOKEN", `gl(?:pat|dt|rt|cbt|ptt|ft|imt|agent|soat)-[A-Za-z0-9_-]{20,}`, "glpat-", "gldt-", "glrt-", "glcbt-", "glptt-", "glft-", "glimt-", "glagent-", "glsoat-"),
	token("GOOGLE_API_KEY", `AIza[0-9A-Za-z_-]{35}`, "AIza"),
	token("GOOGLE_OAUTH_SECRET", `GOCSPX-[A-Za-z0-9_-]{28}`, "GOCSPX-"),
	token("GRAFANA_TOKEN", `gl(?:sa_[A-Za-z0-9]{32}_[0-9A-Fa-f]{8}|c_[A-Za-z0-9+/]{32,}={0,2})`, "glsa_", "glc_"),
	token("HEROKU_KEY", `HRKU-[0-9A-Za-z_-]{36,60}`, "HRKU-"),
	{
		name: "JWT", keywords: []string{"eyJhbGciOi", "eyJ0eXAiOi", "eyJraWQiOi"}, word: true, credible: random, reach: farReach,
		pattern: from(`eyJ(?:hbGciOi|0eXAiOi|raWQiOi)[A-Za-z0-9_-]{4,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{20,}`),
	},
	token("LINEAR_KEY", `lin_api_[A-Za-z0-9]{40}\b`, "lin_api_"),
	token("NEWRELIC_KEY", `NRAK-[A-Z0-9]{27}\b`, "NRAK-"),
	token("NPM_TOKEN", `npm_[A-Za-z0-9]{36}\b`, "npm_"),
	token("ONEPASSWORD_TOKEN", `ops_eyJ[A-Za-z0-9+/]{250,}={0,3}`, "ops_eyJ"),
	token("OPENAI_KEY", `sk-(?:proj|svcacct|admin)-[A-Za-z0-9_-]{40,}`, "sk-proj-", "sk-svcacct-", "sk-admin-"),
	token("POSTMAN_KEY", `PMAK-[0-9a-f]{24}-[0-9a-f]{34}\b`, "PMAK-"),
	token("PULUMI_TOKEN", `pul-[0-9a-f]{40}\b`, "pul-"),
	token("PYPI_TOKEN", `pypi-AgE[A-Za-z0-9_-]{50,}`, "pypi-AgE"),
	token("RUBYGEMS_KEY", `rubygems_[0-9a-f]{48}\b`, "rubygems_"),
	token("SENTRY_TOKEN", `sntry[su]_[A-Za-z0-9+/=_]{60,}`, "sntrys_", "sntryu_"),
	token("SHOPIFY_TOKEN", `shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}\b`, "shpat_", "shpca_", "shppa_", "shpss_"),
	token("SLACK_TOKEN", `xox[abeoprs]-[A-Za-z0-9-]{20,}`, "xoxa-", "xoxb-", "xoxe-", "xoxo-", "xoxp-", "xoxr-", "xoxs-"),
	token("SLACK_TOKEN", `xapp-\d{1,10}-[A-Za-z0-9]{8,14}-\d{10,14}-[0-9a-fA-F]{64}\b`, "xapp-"),
	token("SLACK_WEBHOOK", `hooks\.slack\.com/services/T[A-Z0-9]{8,12}/B[A-Z0-9]{8,12}/[A-Za-z0-9]{20,30}`, "hooks.slack.com/services/"),
	token("SQUARE_TOKEN", `sq0(?:csp-[A-Za-z0-9_-]{43}|atp-[A-Za-z0-9_-]{22})`, "sq0csp-", "sq0atp-"),
	token("STRIPE_KEY", `[sr]k_live_[A-Za-z0-9]{20,}\b`, "sk_live_", "rk_live_"),
	token("SUPABASE_KEY", `sb(?:p_[0-9a-f]{40}|_secret_[A-Za-z0-9_-]{31,36})\b`, "sbp_", "sb_secret_"),
	token("VAULT_TOKEN", `hv[sbr]\.[A-Za-z0-9_-]{24,}`, "hvs.", "hvb.", "hvr."),
}

// Names are the names of the default rules, sorted.
func Names() []string {
	var names []string
	for _, r := range rules {
		names = append(names, r.name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

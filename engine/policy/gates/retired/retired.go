// Package retired lists the gates of an older policy format that are gone. A document with one is refused by the name of its
// successor; in a stored policy it is skipped, with a problem that says so.
package retired

import "plimsoll/engine/policy"

// Gates are the values for the list of gates.
var Gates = []policy.Gate{
	gate("anchoresec", "vulnerabilities", "vulnlow", "vulnmedium", "vulnhigh", "vulncritical", "vulnunknown", "feedoutofdate", "unsupporteddistro"),
	gate("dockerfilecheck", "dockerfile", "effectiveuser", "directivecheck", "expose", "nofrom", "fromscratch", "notag", "sudo", "volumepresent", "nohealthcheck", "nodockerfile"),
	gate("filecheck", "files", "contentmatch", "filenamematch", "suidsgidcheck"),
	gate("fileparse_passwd", "passwd_file", "filenotstored", "usernamematch", "useridmatch", "groupidmatch", "shellmatch", "pentrymatch"),
	gate("pkgcheck", "packages", "verify", "pkgnotpresent"),
	gate("pkgblacklist", "packages", "pkgfullmatch", "pkgnamematch"),
	gate("gemcheck", "ruby_gems", "gemnotlatest", "gemnotofficial", "gembadversion", "gempkgfullmatch", "gempkgnamematch", "gemnofeed"),
	gate("npmcheck", "npms", "npmnotlatest", "npmnotofficial", "npmbadversion", "npmpkgfullmatch", "npmpkgnamematch", "npmnofeed"),
	gate("licblacklist", "licenses", "licfullmatch", "licsubmatch"),
	gate("metadatacheck", "metadata", "attributecheck"),
	gate("secretcheck", "secret_scans", "contentmatch", "filenamematch"),
	gate("suiddiff", "", "suiddiff", "suidfileadd", "suidfiledel", "suidmodediff"),
	gate("pkgdiff", "tag_drift", "pkgdiff", "pkgversiondiff", "pkgadd", "pkgdel"),
	gate("imagecheck", "", "baseoutofdate"),
}

func gate(name, successor string, triggers ...string) policy.Gate {
	gone := policy.Lifecycle{State: policy.EndOfLife, SupersededBy: successor}
	out := policy.Gate{Name: name, Doc: "Belongs to an older format.", Lifecycle: gone}
	for _, t := range triggers {
		out.Triggers = append(out.Triggers, policy.Trigger{Name: t, Doc: "Belongs to an older format.", Lifecycle: gone})
	}
	return out
}

// Package msrc reads the security updates of the Microsoft Security Response Center: CVRF documents, one per month.
//
// One group "cvrf". A record is a CVE or an advisory of Microsoft (ADV990001), with one advisory per product: the namespace
// is "msrc:<product id>", the package the product's name. The products are the releases of Windows Server that containers
// are made of (2016 and later, with and without desktop); Settings.Extra adds others by their ids, such as "12260". What
// is about none of them is left out.
//
// Versions are builds ("10.0.20348.2340"): a product is affected below the build that fixes it; of several, the monthly
// and the security-only update or a hotpatch, below the highest. Where Microsoft names no build, every one is, though
// there is an update. Notices are the articles of the updates ("KB5035857"), the reason names those they supersede.
//
// Documents are asked for in XML: the JSON form has undocumented numbers where XML has words. The list
// of months tells which changed. A sync reads those that changed since the last one, newest first, since of a CVE that
// is in two months the newer one counts; every 30 days all are read.
//
// Invariants: one vulnerability in memory at a time; a bad one never fails a document; a document of another kind does.
package msrc

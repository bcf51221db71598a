// Package suse reads what SUSE says about its distributions: OVAL documents with a definition per CVE, for SUSE Linux
// Enterprise ("sles:15.5", "sles:16.0"), SLE Micro ("sle-micro:5.5"), SL Micro ("sl-micro:6.0"), openSUSE Leap
// ("opensuse-leap:15.6"), Leap Micro ("opensuse-leap-micro:5.5") and Tumbleweed ("opensuse-tumbleweed").
//
// A definition says for sets of products which packages are older than their repair, which have none ("greater than 0"),
// and which are not affected ("equals 0"). Only the documents whose names end in "-affected" have the latter two, so they
// are taken where they are there. Packages are binary ones.
//
// Products are told by their names. Modules and the server itself share a namespace; products for which a release is
// maintained longer (LTSS, ESPOS), or that add to the server (SAP, Workstation Extension), share it as well, but are
// heard only where the server and its modules say nothing about a package. Other products (storage, cloud, manager) are
// passed over. Which advisory brought a repair is not said; all advisories about a flaw are its references.
//
// Settings.Releases: names of documents without their ending, "suse.linux.enterprise.server.15". Each is a group.
package suse

// Package amazon reads Amazon's security advisories (ALAS) from the metadata of its rpm repositories.
//
// A group is a release: "amzn:2018.03" (the Amazon Linux AMI), "amzn:2", "amzn:2022", "amzn:2023". Its documents are
// the lists of updates of its repositories, found by their lists of mirrors. The repositories of one architecture list
// the updates of all. Amazon Linux 2 has a repository for each topic of its extras catalogue, Amazon Linux 2023 some
// beside its core. Topics whose names end in a number hold one line of a software of which there are several under
// the same package names (kernel-5.10, kernel-5.15, php8.1): what they repair says nothing about the other lines.
//
// Ids are unique with their prefix only (ALAS-, ALAS2-, ALAS2023-). What is not fixed yet is not said.
//
// Settings.Releases: "2023". Settings.Extra: further repositories of releases since 2022, "nvidia".
package amazon

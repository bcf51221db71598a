// Package match decides whether an advisory applies to a package.
//
// A package is looked up under one name only, its Target: the source package for dpkg, apk and the rpms of Azure
// Linux, the binary for other rpms, the normalised name in a language's own registry otherwise. A distribution's
// packages are judged by that distribution's advisories alone; where no feed can speak about a package the Target
// is zero. Whether a language package is owned by an OS package is known per image, not here.
//
// Invariants: everything is a pure function of its arguments; a version that cannot be read is an error and never
// a match, unless the advisory covers every version or names exactly this one.
package match

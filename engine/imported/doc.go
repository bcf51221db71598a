// Package imported reads what a client says about an image instead of the image itself: its manifest and
// configuration, a list of its packages and files, what searches found in it, and files kept from it.
//
// All of it is a claim. What can be checked is: the manifest has the image's digest, the configuration is the one
// the manifest names, layers and diff ids are as many, paths are paths. What cannot be checked must not reach
// anybody but the account that says it; Evident tells which packages may be shared all the same.
package imported

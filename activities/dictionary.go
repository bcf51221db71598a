package activities

import (
	"crypto/sha256"
	"encoding/hex"

	"plimsoll/engine/catalog"
	"plimsoll/engine/image"
	"plimsoll/engine/imported"
	"plimsoll/engine/match"
	"plimsoll/persistence"
)

// The dictionary is shared by all accounts: a package has one entry, and what matching asks of it has to follow from the
// identity the entry is found by. Where it does not, somebody else's image or document could change it.

// packageRows are the edges of an image to the dictionary.
func packageRows(found *image.Image) []persistence.PackageRow {
	rows := make([]persistence.PackageRow, len(found.Packages))
	for i := range found.Packages {
		p := &found.Packages[i]
		rows[i] = persistence.PackageRow{Identity: entryOf(p), PURL: imported.SharedPURL(p), Owned: !found.Lists(p)}
		if !catalog.IsOS(p.Type) {
			rows[i].Path = p.Location
		}
	}
	return rows
}

// importedRows keeps the dictionary free of claims: a package whose entry would say more than follows from its
// identity gets an entry of its own.
func importedRows(found *image.Image) []persistence.PackageRow {
	rows := packageRows(found)
	for i := range rows {
		if p := &found.Packages[i]; !imported.Evident(p) {
			sum := sha256.Sum256([]byte(p.PURL))
			rows[i].Identity.Claim, rows[i].PURL = hex.EncodeToString(sum[:16]), p.PURL
		}
	}
	return rows
}

// entryOf is the identity of a package's entry. Where the purl decides how advisories name the package, that name becomes
// part of it: two packages that are called the same need not be the same.
func entryOf(p *catalog.Package) catalog.Identity {
	id := p.Identity()
	id.Known = match.Known(id, p.PURL)
	return id
}

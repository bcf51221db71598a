package feed

import "strings"

// severityWords maps what vendors call a severity. Sources: Red Hat, AlmaLinux, Rocky, Oracle, Amazon and SUSE
// advisories (low to critical with moderate and important), Debian tracker urgencies, Ubuntu priorities, GitHub
// advisories (MODERATE), Fedora updates (urgent).
var severityWords = map[string]Severity{
	"critical": Critical, "urgent": Critical,
	"high": High, "important": High,
	"medium": Medium, "moderate": Medium,
	"low":        Low,
	"negligible": Negligible, "unimportant": Negligible,
	"unknown": Unknown, "untriaged": Unknown, "unspecified": Unknown,
}

// ParseSeverity reads a vendor's severity word in any case; Debian's trailing asterisks are ignored. It is
// false for a word that is no severity, such as Debian's "not yet assigned" and "end-of-life".
func ParseSeverity(word string) (Severity, bool) {
	s, ok := severityWords[strings.ToLower(strings.TrimRight(strings.TrimSpace(word), "*"))]
	return s, ok
}

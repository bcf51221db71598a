package policy

import (
	"crypto/md5" //nolint:gosec // ids as the former format's reference makes them; nothing is protected by them
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// FormerVersion is the format version of bundles, the documents before this format. They are read as what they
// say in this one.
const FormerVersion = "1_0"

// isFormer reports whether the tree is a bundle.
func isFormer(tree any) bool {
	top, _ := tree.(map[string]any)
	return top["version"] == FormerVersion
}

// former turns the tree of a bundle into the tree of a document. Keys it does not know are left behind, as
// bundles may have any; what is of a wrong type goes over as it is, for checkShape to refuse.
type former struct {
	origins  map[string]string // pointer into the document -> pointer into the bundle
	problems []Problem
	made     map[string]int // how often an id was made, for equal elements
}

// upgradeFormer returns the tree of the document and what is wrong with, or lost of, the bundle. The pointers of
// these problems, as of all to come, have to go through origin.
func upgradeFormer(tree any, account string) (map[string]any, *former) {
	f := &former{origins: map[string]string{}, made: map[string]int{}}
	bundle, _ := tree.(map[string]any)
	doc := f.copy(bundle, "", "", "id", "name", "description=comment|description", "last_updated",
		"rule_sets=policies", "allowlists=whitelists", "mappings", "allowlisted_images=whitelisted_images", "denylisted_images=blacklisted_images")
	doc["version"] = Version
	if _, ok := doc["last_updated"].(json.Number); !ok {
		delete(doc, "last_updated")
	}
	if absent(doc, "id") && account != "" && !absent(doc, "name") {
		doc["id"] = fmt.Sprintf("%x", md5.Sum(fmt.Appendf(nil, "%s:%v", account, doc["name"]))) //nolint:gosec // see the import
	}
	if absent(doc, "name") && !absent(doc, "id") {
		doc["name"] = doc["id"]
	}
	f.list(doc, "rule_sets", "/policies", "/rule_sets", f.ruleSet)
	f.list(doc, "allowlists", "/whitelists", "/allowlists", f.allowlist)
	f.list(doc, "mappings", "/mappings", "/mappings", f.mapping)
	f.list(doc, "allowlisted_images", "/whitelisted_images", "/allowlisted_images", f.selector)
	f.list(doc, "denylisted_images", "/blacklisted_images", "/denylisted_images", f.selector)
	return doc, f
}

// origin is the pointer into the bundle of a pointer into the document.
func (f *former) origin(pointer string) string {
	for known, rest := pointer, ""; ; {
		if from, ok := f.origins[known]; ok {
			return from + rest
		}
		i := strings.LastIndexByte(known, '/')
		if i < 0 {
			return pointer
		}
		known, rest = known[:i], known[i:]+rest
	}
}

// relocate makes problems with the document problems with the bundle.
func (f *former) relocate(problems []Problem) []Problem {
	for i, p := range problems {
		if rest, ok := strings.CutPrefix(p.Details, p.Path); ok && p.Path != "" {
			p.Path = f.origin(p.Path)
			p.Details = p.Path + rest
			problems[i] = p
		}
	}
	return problems
}

func (f *former) note(severity, kind, path, text string) {
	if len(f.problems) < MaxProblems {
		f.problems = append(f.problems, newProblem(severity, kind, path, "", text))
	}
}

// absent reports whether an object lacks a key, for which bundles also write null or nothing.
func absent(object map[string]any, key string) bool {
	value := object[key]
	return value == nil || value == ""
}

// copy takes keys over, each written as name, name=former or name=former|otherwise.
func (f *former) copy(from map[string]any, oldPath, newPath string, keys ...string) map[string]any {
	f.origins[newPath] = oldPath
	to := make(map[string]any, len(keys))
	for _, key := range keys {
		name, old, renamed := strings.Cut(key, "=")
		if !renamed {
			old = name
		}
		old, otherwise, _ := strings.Cut(old, "|")
		if _, ok := from[old]; !ok && otherwise != "" {
			old = otherwise
		}
		f.origins[newPath+"/"+name] = oldPath + "/" + old
		if value, ok := from[old]; ok && value != nil {
			to[name] = value
		}
	}
	return to
}

// converter makes an object of the document out of one of the bundle.
type converter func(from map[string]any, oldPath, newPath string) map[string]any

// list replaces the objects of a list by what convert makes of them.
func (f *former) list(object map[string]any, key, oldPath, newPath string, convert converter) {
	list, ok := object[key].([]any)
	if !ok {
		return
	}
	converted := make([]any, len(list))
	for i, entry := range list {
		from, ok := entry.(map[string]any)
		if !ok {
			converted[i] = entry
			continue
		}
		index := "/" + strconv.Itoa(i)
		converted[i] = convert(from, oldPath+index, newPath+index)
	}
	object[key] = converted
}

// identify gives an element without id one that follows from what it says, so that importing the same bundle
// again gives the same document.
func (f *former) identify(kind string, element map[string]any) {
	if !absent(element, "id") {
		return
	}
	said, err := json.Marshal(element) // sorts keys
	if err != nil {
		return // a tree from JSON has a JSON form; without an id it is refused
	}
	sum := md5.Sum(append([]byte(kind+"\x00"), said...)) //nolint:gosec // see the import
	id := hex.EncodeToString(sum[:])
	if f.made[id]++; f.made[id] > 1 {
		id += "-" + strconv.Itoa(f.made[id])
	}
	element["id"] = id
}

func (f *former) name(element map[string]any) {
	if absent(element, "name") {
		element["name"] = element["id"]
	}
}

// version replaces the version of a part.
func (f *former) version(element map[string]any, oldPath string) {
	switch version := element["version"].(type) {
	case nil:
		return // checkShape says that it is required
	case string:
		if version != FormerVersion {
			f.note(SeverityError, ProblemVersion, oldPath+"/version", fmt.Sprintf("version %q is not supported in a bundle, use %q", version, FormerVersion))
		}
		element["version"] = Version
	}
}

func (f *former) ruleSet(from map[string]any, oldPath, newPath string) map[string]any {
	to := f.copy(from, oldPath, newPath, "id", "name", "description=comment|description", "version", "rules")
	f.name(to)
	f.version(to, oldPath)
	f.list(to, "rules", oldPath+"/rules", newPath+"/rules", f.rule)
	return to
}

func (f *former) rule(from map[string]any, oldPath, newPath string) map[string]any {
	to := f.copy(from, oldPath, newPath, "id", "gate", "trigger", "action", "params", "description=comment|description", "recommendation")
	if action, ok := to["action"].(string); ok {
		to["action"] = strings.ToUpper(action)
	}
	f.params(to, oldPath+"/params", newPath+"/params")
	f.identify("rule", to)
	gate, _ := to["gate"].(string)
	trigger, _ := to["trigger"].(string)
	if now, ok := formerTriggers[strings.ToLower(gate+"."+trigger)]; ok {
		to["gate"], to["trigger"], _ = strings.Cut(now, ".")
	}
	return to
}

// params takes over what has a value.
func (f *former) params(rule map[string]any, oldPath, newPath string) {
	list, ok := rule["params"].([]any)
	if !ok {
		if rule["params"] == nil {
			rule["params"] = []any{}
		}
		return
	}
	gate, _ := rule["gate"].(string)
	kept := []any{}
	for i, entry := range list {
		param, ok := entry.(map[string]any)
		if !ok {
			kept = append(kept, entry)
			continue
		}
		if param["value"] == nil {
			continue
		}
		index := "/" + strconv.Itoa(len(kept))
		to := f.copy(param, oldPath+"/"+strconv.Itoa(i), newPath+index, "name", "value")
		renameParam(strings.ToLower(gate), to)
		kept = append(kept, to)
	}
	rule["params"] = kept
}

func renameParam(gate string, param map[string]any) {
	name, _ := param["name"].(string)
	if now, ok := formerParams[gate+"."+strings.ToLower(name)]; ok {
		param["name"] = now
	}
	if value, ok := param["value"].(string); ok && gate == "dockerfile" && strings.EqualFold(name, "type") {
		if now, ok := formerListTypes[value]; ok {
			param["value"] = now
		}
	}
}

// hashForm is the form of trigger ids that are hashes.
var hashForm = regexp.MustCompile(`^[0-9a-f]{32}$`)

func (f *former) allowlist(from map[string]any, oldPath, newPath string) map[string]any {
	to := f.copy(from, oldPath, newPath, "id", "name", "description=comment|description", "version", "items")
	if to["items"] == nil {
		to["items"] = []any{}
	}
	f.name(to)
	f.version(to, oldPath)
	f.list(to, "items", oldPath+"/items", newPath+"/items", f.item)
	return to
}

func (f *former) item(from map[string]any, oldPath, newPath string) map[string]any {
	to := f.copy(from, oldPath, newPath, "id", "gate", "trigger_id", "expires_on", "description=comment|description")
	if absent(to, "expires_on") {
		delete(to, "expires_on")
	}
	f.identify("item", to)
	if id, _ := to["trigger_id"].(string); hashForm.MatchString(id) {
		f.note(SeverityWarn, ProblemFormerID, oldPath+"/trigger_id", fmt.Sprintf(
			"trigger id %s is a hash over the wording of another implementation and matches nothing here; evaluate an image and write the id of the finding instead", id))
	}
	return to
}

func (f *former) mapping(from map[string]any, oldPath, newPath string) map[string]any {
	to := f.copy(from, oldPath, newPath, "id", "name", "registry", "repository", "image", "description=comment|description",
		"rule_set_ids=policy_ids", "allowlist_ids=whitelist_ids")
	one, many := !absent(from, "policy_id"), from["policy_ids"] != nil
	switch {
	case one && many:
		f.note(SeverityError, ProblemValidation, oldPath+"/policy_id", "is given beside policy_ids, use one of them")
	case one:
		to["rule_set_ids"] = []any{from["policy_id"]}
		f.origins[newPath+"/rule_set_ids"] = oldPath + "/policy_id"
		f.origins[newPath+"/rule_set_ids/0"] = oldPath + "/policy_id"
	}
	if to["allowlist_ids"] == nil {
		to["allowlist_ids"] = []any{}
	}
	f.image(to, oldPath, newPath)
	f.identify("mapping", to)
	f.name(to)
	return to
}

func (f *former) selector(from map[string]any, oldPath, newPath string) map[string]any {
	to := f.copy(from, oldPath, newPath, "id", "name", "registry", "repository", "image", "description=comment|description")
	f.image(to, oldPath, newPath)
	f.identify("selector", to)
	f.name(to)
	return to
}

func (f *former) image(element map[string]any, oldPath, newPath string) {
	if image, ok := element["image"].(map[string]any); ok {
		element["image"] = f.copy(image, oldPath+"/image", newPath+"/image", "type", "value")
	}
}

// formerTriggers are the names that changed.
var formerTriggers = map[string]string{
	"licenses.blacklist_exact_match":   "licenses.denylist_exact_match",
	"licenses.blacklist_partial_match": "licenses.denylist_partial_match",
	"npms.blacklisted_name_version":    "npms.denylisted_name_version",
	"packages.blacklist":               "packages.denylist",
	"passwd_file.blacklist_full_entry": "passwd_file.denylist_full_entry",
	"passwd_file.blacklist_groupids":   "passwd_file.denylist_groupids",
	"passwd_file.blacklist_shells":     "passwd_file.denylist_shells",
	"passwd_file.blacklist_userids":    "passwd_file.denylist_userids",
	"passwd_file.blacklist_usernames":  "passwd_file.denylist_usernames",
	"ruby_gems.blacklist":              "ruby_gems.denylist",
	"vulnerabilities.blacklist":        "vulnerabilities.denylist",
}

// formerParams are the parameters, by gate, that had other names.
var formerParams = map[string]string{
	"passwd_file.useridblacklist":   "user_ids",
	"passwd_file.useriddenylist":    "user_ids",
	"passwd_file.usernameblacklist": "user_names",
	"passwd_file.usernamedenylist":  "user_names",
}

// formerListTypes are the values of the parameter type of gate dockerfile that had other names.
var formerListTypes = map[string]string{"whitelist": "allowlist", "blacklist": "denylist"}

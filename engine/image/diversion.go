package image

import "plimsoll/engine/catalog"

// diversions are the surviving diversions by package type and path.
type diversions map[[2]string]*catalog.Diversion

func (a *assembly) diversions() diversions {
	all := diversions{}
	for i := range a.alive {
		list := a.alive[i].Evidence.Diversions
		for j := range list {
			keep(all, [2]string{list[j].Type, list[j].From}, &list[j])
		}
	}
	return all
}

// of is where a file lies that a package lists.
func (d diversions) of(owner *catalog.Ownership, listed string) string {
	if v := d[[2]string{owner.Type, listed}]; v != nil && v.By != owner.Name {
		return v.To
	}
	return listed
}

document.querySelectorAll("main table").forEach(makeSortable);
startDetails(document.getElementById("details"), JSON.parse(document.getElementById("data").textContent));
startFilters(document.getElementById("filters"));

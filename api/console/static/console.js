// What makes pages livelier. Each part looks for its own elements, and does nothing where there are none.
import { localizeFields, localizeMoments } from "./datetimes.js";
import { watchConditions } from "./conditions.js";
import { watchCounts } from "./counts.js";
import { watchCountdown } from "./countdown.js";
import { watchForms } from "./forms.js";
import { keepForms } from "./keep.js";
import { watchImport } from "./import.js";
import { watchLive } from "./live.js";
import { watchMenu } from "./menu.js";
import { watchEstimate } from "./estimate.js";
import { watchInserts } from "./inserts.js";
import { watchUploads } from "./uploads.js";

localizeMoments(document);
localizeFields(document);
watchConditions();
keepForms();
watchForms();
watchMenu();
watchCountdown();
watchLive();
watchEstimate();
watchImport();
watchInserts();
watchCounts();
watchUploads();

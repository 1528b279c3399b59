// The page of a web viewer, as its makers show it: Cornerstone3D (the engine of OHIF) and dicomweb-client, unmodified.
import { Enums, RenderingEngine, eventTarget, init as initCore } from '@cornerstonejs/core';
import { init as initLoader, wadors } from '@cornerstonejs/dicom-image-loader';
import { api } from 'dicomweb-client';

const text = (instance, tag) => instance[tag]?.Value?.[0];

function connect({ root, token }) {
  return new api.DICOMwebClient({ url: root, headers: { Authorization: `Bearer ${token}` } });
}

/** Finds the study by QIDO-RS and shows each series in a viewport of its own. */
window.show = async (hub) => {
  const client = connect(hub);
  initCore();
  initLoader({ maxWebWorkers: 1, beforeSend: () => ({ Authorization: `Bearer ${hub.token}` }) });
  const engine = new RenderingEngine('viewer');
  const [study] = await client.searchForStudies();
  const studyInstanceUID = text(study, '0020000D');
  const shown = [];
  for (const series of await client.searchForSeries({ studyInstanceUID })) {
    const seriesInstanceUID = text(series, '0020000E');
    const metadata = await client.retrieveSeriesMetadata({ studyInstanceUID, seriesInstanceUID });
    const imageIds = metadata.map((instance) => {
      const path = `studies/${studyInstanceUID}/series/${seriesInstanceUID}/instances/${text(instance, '00080018')}`;
      const imageId = `wadors:${hub.root}/${path}/frames/1`;
      wadors.metaDataManager.add(imageId, instance);
      return imageId;
    });
    const element = document.createElement('div');
    element.style.cssText = 'display: inline-block; width: 256px; height: 256px';
    element.className = 'series';
    document.body.append(element);
    engine.enableElement({ viewportId: seriesInstanceUID, element, type: Enums.ViewportType.STACK });
    const viewport = engine.getViewport(seriesInstanceUID);
    const rendered = new Promise((resolve) =>
      element.addEventListener(Enums.Events.IMAGE_RENDERED, resolve, { once: true }),
    );
    const failed = new Promise((_, reject) =>
      eventTarget.addEventListener(Enums.Events.IMAGE_LOAD_ERROR, (event) => reject(event.detail.error), {
        once: true,
      }),
    );
    await Promise.race([viewport.setStack(imageIds), failed]);
    viewport.render();
    await Promise.race([rendered, failed]);
    const { dimensions } = viewport.getImageData();
    shown.push({ description: text(series, '0008103E'), dimensions, images: imageIds.length });
  }
  return shown;
};

/** The retrieve calls of dicomweb-client, one after the other. */
window.retrieve = async (hub, uids) => {
  const client = connect(hub);
  const { studyInstanceUID, seriesInstanceUID } = uids;
  const [metadata] = await client.retrieveInstanceMetadata(uids);
  const sizes = (buffers) => buffers.map((buffer) => buffer.byteLength);
  return {
    study: sizes(await client.retrieveStudy({ studyInstanceUID })),
    series: sizes(await client.retrieveSeries({ studyInstanceUID, seriesInstanceUID })),
    instance: (await client.retrieveInstance(uids)).byteLength,
    studyMetadata: (await client.retrieveStudyMetadata({ studyInstanceUID })).length,
    frames: sizes(await client.retrieveInstanceFrames({ ...uids, frameNumbers: [1] })),
    rendered: sizes(await client.retrieveInstanceRendered({ ...uids, mediaTypes: [{ mediaType: 'image/jpeg' }] })),
    framesRendered: sizes(
      await client.retrieveInstanceFramesRendered({
        ...uids,
        frameNumbers: [1],
        mediaTypes: [{ mediaType: 'image/png' }],
      }),
    ),
    bulkdata: sizes(await client.retrieveBulkData({ BulkDataURI: metadata['7FE00010'].BulkDataURI })),
  };
};
